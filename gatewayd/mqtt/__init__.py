"""The MQTT adapter: readings, states and Home Assistant discovery behind the `Broker` port."""
