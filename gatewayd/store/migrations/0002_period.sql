-- The local time at which the day or night began that a latest value stands for (seconds since
-- 2000-01-01, as on the watch's face); NULL for a value of a moment.

ALTER TABLE latest ADD COLUMN period INTEGER;
