package projectors

import (
	"context"
	"io"
	"net"
	neturl "net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/readmodel/readmodeltest"
)

// What the pipeline views say of nine posts in nine states.
func TestPipelineViews(t *testing.T) {
	url, db := readmodeltest.Open(t)
	l := openLake(t)
	day := time.Date(2025, 3, 3, 12, 0, 0, 0, time.UTC)
	var posts []event.Post
	for i := range 8 {
		posts = append(posts, observed(postID(day.Add(time.Duration(i)*time.Hour)), "truthsocial", "x"))
	}
	posts = append(posts, observed(postID(time.Date(2024, 12, 31, 12, 0, 0, 0, time.UTC)), "truthsocial", "before the launch"))
	gaveUp := failed(&posts[3], "gpt", "refused", 5, true, "")
	p := open(t, l, url)
	once(t, p)
	appendAll(t, l.Posts, posts...)
	appendAll(t, l.Posts, postNote(event.PostDeleted, posts[5].PostID, "truthsocial", posts[5].EventID, day.Add(24*time.Hour)))
	appendAll(t, l.Predictions, answer(&posts[0], "gpt", 0.5, event.Asset{Symbol: "UP", Sentiment: event.Bullish}, event.Asset{Symbol: "DOWN", Sentiment: event.Bearish}),
		bypassed(&posts[1], "Retruth"), bypassed(&posts[2], "No text content"), gaveUp, failed(&posts[4], "gpt", "timeout", 1, false, ""))
	monday := event.NewDate(2025, 3, 3)
	sessions := []event.Date{monday, monday + 2, monday + 8, event.NewDate(2025, 4, 11)} // targets of horizons 1, 3, 7, 30 at next_open
	for _, d := range sessions {
		appendAll(t, l.Prices, bar("UP", d, "yahoo", 100, 101, d, ""))
	}
	once(t, p)
	for sql, want := range map[string]string{
		"SELECT string_agg(concat_ws(' ', state, reason, in_scope, posts), ', ' ORDER BY state, reason) FROM readmodel.analysis_states()":                         "before_launch f 1, bypassed No text content t 1, bypassed Retruth t 1, completed t 1, failed refused t 1, retrying timeout t 1, waiting t 2, withdrawn f 1",
		"SELECT sum(posts)::text FROM readmodel.analysis_states('2024-01-01') WHERE in_scope":                                                                     "8",
		"SELECT string_agg(concat_ws(' ', symbol, evaluated, horizons, is_complete), ', ' ORDER BY symbol) FROM readmodel.completeness WHERE basis = 'next_open'": "DOWN 0 4 f, UP 4 4 t",
		"SELECT concat_ws(' ', answers, failures, cost_micros, predictions, calls, dollars_per_prediction, dollars_per_call) FROM readmodel.model_costs":          "1 2 1200 1 2 0.0012 0.0006",
		"SELECT string_agg(concat_ws(' ', stream, producer), ', ' ORDER BY stream) FROM readmodel.producers":                                                      "posts test@1, predictions test@1, prices test@1",
		"SELECT (p.last_recorded_at = (SELECT max(recorded_at) FROM readmodel.post_versions))::text FROM readmodel.producers p WHERE stream = 'posts'":            "true",
		"SELECT concat_ws(' ', n, p50_seconds, p95_seconds) FROM readmodel.latencies('2024-01-01') WHERE step = 'post to prediction'":                             "1 120 120",
		"SELECT string_agg(concat_ws(' ', step, n), ', ' ORDER BY step) FROM readmodel.latencies('2024-01-01')":                                                   "post to harvest 9, post to prediction 1, post to read model 9",
		"SELECT count(*)::text FROM readmodel.latencies() WHERE n > 0":                                                                                            "0",
	} {
		var got string
		if scan(t, db, sql, &got); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", sql, got, want)
		}
	}
	checkVerified(t, p)
}

// A server that is waking up is waited for.
func TestWakingServer(t *testing.T) {
	direct, _ := readmodeltest.Open(t)
	u, err := neturl.Parse(direct)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	asked, host := make(chan bool, 10), u.Host
	go func() {
		for first := true; ; first = false {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			asked <- true
			if first {
				backend := pgproto3.NewBackend(client, client)
				_, _ = backend.ReceiveStartupMessage()
				backend.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: "57P03", Message: "the database system is starting up"})
				_ = backend.Flush()
				client.Close()
				continue
			}
			server, err := net.Dial("tcp", host)
			if err != nil {
				client.Close()
				return
			}
			go func() { _, _ = io.Copy(server, client); server.Close() }()
			go func() { _, _ = io.Copy(client, server); client.Close() }()
		}
	}()
	u.Host = listener.Addr().String()
	query := u.Query()
	query.Set("sslmode", "disable")
	u.RawQuery = query.Encode()
	conn, err := Connect(context.Background(), u.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if len(asked) != 2 {
		t.Errorf("the server was asked %d times, want 2", len(asked))
	}
}
