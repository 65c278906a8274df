package dashboards

import (
	"encoding/json"
	"fmt"
)

// dataSourceUID is how panels refer to the data source.
const dataSourceUID = "readmodel"

// pluginID is Grafana's PostgreSQL data source.
const pluginID = "grafana-postgresql-datasource"

// FolderTitle is the folder in Grafana that all dashboards are in.
const FolderTitle = "Shitpost Alpha"

// dataSourceYAML is Grafana's provisioning format for data sources, apiVersion 1 (its manual,
// "Provision Grafana"). Grafana replaces the variables from its own environment; their values are
// in no file. Grafana does not check what a query does, so the role must be one that may only read.
const dataSourceYAML = `# Rendered by "dashboards render"; changes here are overwritten.
# Grafana fills the variables in from its environment: see Variables.
apiVersion: 1
prune: true
datasources:
  - name: Read model
    uid: ` + dataSourceUID + `
    type: ` + pluginID + `
    access: proxy
    orgId: 1
    isDefault: true
    editable: false
    url: ${GRAFANA_DB_ADDRESS}
    user: ${GRAFANA_DB_USER}
    secureJsonData:
      password: ${GRAFANA_DB_PASSWORD}
    jsonData:
      database: ${GRAFANA_DB_NAME}
      sslmode: ${GRAFANA_DB_SSLMODE}
      postgresVersion: 1500
      timescaledb: false
      maxOpenConns: 10
      maxIdleConns: 2
      connMaxLifetime: 14400
      timeInterval: 1m
`

// Variable is one that Grafana's environment must hold for the data source.
type Variable struct {
	Name    string `json:"name"`
	Example string `json:"example"`
	Help    string `json:"help"`
}

// Variables lists what the rendered data source refers to.
func Variables() []Variable {
	return []Variable{
		{"GRAFANA_DB_ADDRESS", "127.0.0.1:5432", "host:port of the Postgres that holds the read model"},
		{"GRAFANA_DB_NAME", "shitpost", "database"},
		{"GRAFANA_DB_USER", "grafana", "role that may only read; the read model makes role grafana"},
		{"GRAFANA_DB_PASSWORD", "", "its password"},
		{"GRAFANA_DB_SSLMODE", "disable", "disable, require, verify-ca or verify-full"},
	}
}

// providerYAML is Grafana's provisioning format for dashboard providers, apiVersion 1, reading the
// JSON files of folder dir. In YAML a string may be written as in JSON, which quotes any path.
func providerYAML(dir string) []byte {
	quoted, _ := json.Marshal(dir) // a string always encodes
	return fmt.Appendf(nil, `# Rendered by "dashboards render"; changes here are overwritten.
apiVersion: 1
providers:
  - name: generated
    orgId: 1
    type: file
    folder: %s
    folderUid: shitpost-alpha
    disableDeletion: false
    allowUiUpdates: false
    updateIntervalSeconds: 30
    options:
      path: %s
`, FolderTitle, quoted)
}
