-- The owner's offset from UTC at the end of a reading whose end the device told by its own clock.
-- With it the time on the device's face is known, whatever becomes of the owner's zone.

ALTER TABLE reading ADD COLUMN end_offset_s INTEGER;

-- The local time at which the day or night began that a latest value stands for (seconds since
-- 2000-01-01, as on the watch's face); NULL for a value of a moment.

ALTER TABLE latest ADD COLUMN period INTEGER;
