package dashboards

import (
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

const tag = "shitpost-alpha"

// kept are the variables that every dashboard has, as an address has them.
const kept = `${horizon:queryparam}&${basis:queryparam}&${model:queryparam}&${origin:queryparam}&${sentiment:queryparam}&${confidence:queryparam}`

// page begins a dashboard: links to all others, which keep the variables and the time range.
func page(title, says, from string) *dashboard.DashboardBuilder {
	return dashboard.NewDashboardBuilder(title).Description(says).Tags([]string{tag}).Readonly().Refresh("1m").
		Time(from, "now").Timezone(common.TimeZoneUtc).Tooltip(dashboard.DashboardCursorSyncCrosshair).
		Link(dashboard.NewDashboardLinkBuilder("Dashboards").Type(dashboard.DashboardLinkTypeDashboards).Tags([]string{tag}).
			Icon("dashboard").Tooltip("The same choices on another dashboard").AsDropdown(false).IncludeVars(true).KeepTime(true))
}

func link(title, url string, newTab bool) map[string]any {
	return map[string]any{"title": title, "url": url, "targetBlank": newTab}
}

func links(all ...map[string]any) props { return props{{Id: "links", Value: all}} }

// postLinks lead from a row with columns post_id and url to the post here, with the time range around
// it, and to its source. around gives the columns from and to.
func postLinks() props {
	return links(link("Show the post", `/d/post?var-post=${__data.fields["post_id"]:percentencode}&from=${__data.fields["from"]:percentencode}&to=${__data.fields["to"]:percentencode}&`+kept, false),
		link("At the source", `${__data.fields["url"]:raw}`, true))
}

// around are the columns that postLinks needs, of a post p published at "at": hidden in tables.
func around(at string) string {
	return `(extract(epoch FROM ` + at + ` - interval '30 days') * 1000)::bigint::text AS "from",
  (extract(epoch FROM ` + at + ` + interval '60 days') * 1000)::bigint::text AS "to"`
}

// linkColumns hides what is there for links.
func linkColumns() []column {
	return []column{as("post_id", hidden()), as("url", hidden()), as("from", hidden()), as("to", hidden())}
}

// assetLink leads from a cell that holds an asset to its dashboard.
func assetLink() props {
	return links(link("Show ${__value.text}", `/d/asset?var-symbol=${__value.raw:percentencode}&${__url_time_range}&`+kept, false))
}
