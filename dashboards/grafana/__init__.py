"""The city's Grafana dashboards as code. README.md says what there is and how it is proven."""
