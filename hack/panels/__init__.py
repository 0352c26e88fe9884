"""The picture of the dashboard: a manager at work, a Prometheus that scrapes it, and Grafana's panels from npm."""
