package viewer

import "shitpost-alpha/dashboards"

// Generated renders all dashboards of package dashboards as Grafana gets them, for Options.
func Generated() ([][]byte, error) {
	var all [][]byte
	for _, name := range dashboards.Names() {
		raw, err := dashboards.Render(name)
		if err != nil {
			return nil, err
		}
		all = append(all, raw)
	}
	return all, nil
}
