"""The kit that protocols are tested with: shipped, so that strangers test theirs with ours."""
