#!/bin/sh
# Run once, by the database's own set-up: Grafana may read the city's bucket, and nothing else.
# Of InfluxDB's two kinds of tokens this is the one whose secret we choose: "Token grafana:SECRET" (1.x compatible).
set -eu
influx v1 auth create \
  --username grafana \
  --password "$(cat /run/secrets/influx_read_token)" \
  --read-bucket "$DOCKER_INFLUXDB_INIT_BUCKET_ID" \
  --org "$DOCKER_INFLUXDB_INIT_ORG" \
  --description "Grafana, reading" >/dev/null
