package alerting

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
)

// testToken and testChats stand for what Grafana's environment holds.
const testToken = "1:test"

var testChats = map[string]string{"${TELEGRAM_CHAT_ID}": "7", "@shitpost_alpha_operations": "8"}

// alertmanagerBinary finds Debian's Alertmanager: installed, or unpacked by make tools.
func alertmanagerBinary(t testing.TB) string {
	t.Helper()
	if bin, err := exec.LookPath("prometheus-alertmanager"); err == nil {
		return bin
	}
	bin, err := filepath.Abs("../../.cache/bin/prometheus-alertmanager")
	if err == nil {
		_, err = os.Stat(bin)
	}
	if err != nil {
		t.Fatalf("find Alertmanager: install Debian's package prometheus-alertmanager, or run make tools: %v", err)
	}
	return bin
}

// alertmanager is Debian's, which Grafana's own is made from, with the routes, templates and quiet hours of a
// rendered file.
type alertmanager struct {
	t       testing.TB
	dir     string
	address string
	zones   string // ZONEINFO, where the test has zones of its own
	cmd     *exec.Cmd
	exited  chan error
	log     *os.File
}

func newAlertmanager(t testing.TB, file File, tg *telegram) *alertmanager {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := &alertmanager{t: t, dir: t.TempDir(), address: listener.Addr().String()}
	listener.Close()
	// Where make tools has unpacked the package, its own templates are looked for here.
	own := filepath.Join(a.dir, "alertmanager-default-templates")
	if err := os.Mkdir(own, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"message.tmpl": messageTemplate, filepath.Join(own, "default.tmpl"): "", filepath.Join(own, "email.tmpl"): "",
		"alertmanager.yml": string(configuration(t, file, tg.URL))} {
		if !filepath.IsAbs(name) {
			name = filepath.Join(a.dir, name)
		}
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if a.log, err = os.Create(filepath.Join(a.dir, "log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.stop(syscall.SIGKILL); a.log.Close() })
	return a
}

// configuration translates the file. Only group_interval is another: a second, so that the test is short.
func configuration(t testing.TB, file File, telegramURL string) []byte {
	t.Helper()
	type m = map[string]any
	route := func(receiver string) m { return m{"receiver": receiver} }
	tree := file.Policies[0]
	root := route(*tree.Receiver)
	root["group_by"], root["group_wait"], root["group_interval"], root["repeat_interval"] = tree.GroupBy, *tree.GroupWait, "1s", *tree.RepeatInterval
	var routes []m
	for _, r := range tree.Routes {
		one := route(*r.Receiver)
		var matchers []string
		for _, o := range *r.ObjectMatchers {
			matchers = append(matchers, fmt.Sprintf("%s%s%q", o[0], o[1], o[2]))
		}
		one["matchers"], one["mute_time_intervals"], one["continue"] = matchers, r.MuteTimeIntervals, r.Continue != nil && *r.Continue
		routes = append(routes, one)
	}
	root["routes"] = routes
	var receivers []m
	for _, p := range file.ContactPoints {
		s := p.Receivers[0].Settings
		chat := s.ChatID
		if known, ok := testChats[chat]; ok {
			chat = known
		}
		id, err := strconv.Atoi(chat)
		if err != nil {
			t.Fatal(err)
		}
		receivers = append(receivers, m{"name": p.Name, "telegram_configs": []m{{"api_url": telegramURL, "bot_token": testToken, "chat_id": id, "parse_mode": s.ParseMode,
			"message": s.Message, "send_resolved": !p.Receivers[0].DisableResolveMessage}}})
	}
	var mutes []m
	for _, q := range file.MuteTimes {
		raw, err := json.Marshal(q.TimeIntervals)
		if err != nil {
			t.Fatal(err)
		}
		var intervals []any
		if err := json.Unmarshal(raw, &intervals); err != nil {
			t.Fatal(err)
		}
		mutes = append(mutes, m{"name": q.Name, "time_intervals": intervals})
	}
	raw, err := yaml.Marshal(m{"route": root, "receivers": receivers, "time_intervals": mutes, "templates": []string{"message.tmpl"}})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func (a *alertmanager) start() {
	a.t.Helper()
	a.cmd = exec.Command(alertmanagerBinary(a.t), "--config.file=alertmanager.yml", "--storage.path=data", "--web.listen-address="+a.address, "--cluster.listen-address=")
	a.cmd.Dir, a.cmd.Stdout, a.cmd.Stderr = a.dir, a.log, a.log
	a.cmd.Env = os.Environ()
	if a.zones != "" {
		a.cmd.Env = append(a.cmd.Env, "ZONEINFO="+a.zones)
	}
	a.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := a.cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
	a.exited = make(chan error, 1)
	go func(cmd *exec.Cmd, exited chan error) { exited <- cmd.Wait() }(a.cmd, a.exited)
	a.until("ready", func() bool {
		response, err := http.Get("http://" + a.address + "/-/ready")
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == 200
	})
}

// until asks until it is so, Alertmanager has ended or a minute has passed.
func (a *alertmanager) until(what string, is func() bool) {
	a.t.Helper()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	late := time.After(time.Minute)
	for !is() {
		select {
		case <-ticker.C:
		case err := <-a.exited:
			log, _ := os.ReadFile(a.log.Name())
			a.t.Fatalf("Alertmanager ended: %v\n%s", err, log)
		case <-late:
			log, _ := os.ReadFile(a.log.Name())
			a.t.Fatalf("not %s after a minute\n%s", what, log)
		}
	}
}

// stop ends it and waits; SIGTERM lets it write down what it has sent.
func (a *alertmanager) stop(signal syscall.Signal) {
	if a.cmd == nil {
		return
	}
	_ = a.cmd.Process.Signal(signal) // it may have ended by itself
	<-a.exited
	a.cmd = nil
}

// push hands it the alerts of one evaluation, as Grafana does.
func (a *alertmanager) push(alerts []alert) {
	a.t.Helper()
	type posted struct {
		alert
		EndsAt time.Time `json:"endsAt"`
	}
	all := []posted{}
	for _, one := range alerts {
		all = append(all, posted{one, time.Now().Add(4 * time.Minute)})
	}
	raw, err := json.Marshal(all)
	if err != nil {
		a.t.Fatal(err)
	}
	response, err := http.Post("http://"+a.address+"/api/v2/alerts", "application/json", bytes.NewReader(raw))
	if err != nil {
		a.t.Fatal(err)
	}
	defer response.Body.Close()
	if body, _ := io.ReadAll(response.Body); response.StatusCode != 200 {
		a.t.Fatalf("Alertmanager answered %s: %s", response.Status, body)
	}
}

// looked returns how often it has looked up what it had sent before.
func (a *alertmanager) looked() (n int) {
	response, err := http.Get("http://" + a.address + "/metrics")
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	for line := range strings.Lines(string(body)) {
		if value, ok := strings.CutPrefix(line, "alertmanager_nflog_queries_total "); ok {
			n, _ = strconv.Atoi(strings.TrimSpace(value))
		}
	}
	return n
}

// settle waits until it has considered each of so many alerts at least twice more.
func (a *alertmanager) settle(alerts int) {
	a.t.Helper()
	from := a.looked()
	a.until("settled", func() bool { return a.looked() >= from+3*alerts })
}
