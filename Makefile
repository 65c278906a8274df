# Everything is a target here; `make help` lists them.
SHELL := /bin/sh
.DEFAULT_GOAL := help

VERSITYGW_VERSION := v1.8.0
GOVULNCHECK_VERSION := v1.9.0
GITLEAKS_VERSION := v8.30.1
GO_LICENSES_VERSION := v1.6.0
CYCLONEDX_VERSION := v1.10.0
# xi2/xz is in the public domain, which the licence check has no name for.
LICENCES := MIT,Apache-2.0,BSD-2-Clause,BSD-3-Clause,ISC,MPL-2.0,Unlicense,CC0-1.0
TOOLS := .cache/bin
LDFLAGS := -s -w
STATIC := harvester analyzer pricer import projector lake dashboards
# lakesql links DuckDB, so it alone needs a C compiler.
CGO := lakesql

# Files for the demo, e.g. make demo POSTS=posts.csv PRICES="prices.csv more/". Empty: the simulator.
POSTS ?=
PRICES ?=
DEMO_DIR ?= data/demo
DEMO_FLAGS ?=

.PHONY: help
help: ## List the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: $(addprefix build-,$(STATIC)) build-alpha $(addprefix build-,$(CGO)) ## Build all binaries into bin/

.PHONY: build-alpha
build-alpha:
	@mkdir -p bin
	CGO_ENABLED=0 go build -buildvcs=auto -trimpath -ldflags '$(LDFLAGS)' -o bin/alpha .

.PHONY: $(addprefix build-,$(STATIC))
$(addprefix build-,$(STATIC)): build-%:
	@mkdir -p bin
	CGO_ENABLED=0 go build -buildvcs=auto -trimpath -ldflags '$(LDFLAGS)' -o bin/$* ./$(wildcard */cmd/$*)

.PHONY: $(addprefix build-,$(CGO))
$(addprefix build-,$(CGO)): build-%:
	@mkdir -p bin
	CGO_ENABLED=1 go build -buildvcs=auto -trimpath -ldflags '$(LDFLAGS)' -o bin/$* ./$(wildcard */cmd/$*)

.PHONY: demo
demo: build-alpha build-lake build-projector ## Run everything once and print what came out (POSTS=… PRICES=… for real files)
	bin/alpha demo --dir $(DEMO_DIR) $(foreach f,$(POSTS),--posts $(f)) $(foreach f,$(PRICES),--prices $(f)) $(DEMO_FLAGS)

.PHONY: tools
tools: $(TOOLS)/versitygw $(TOOLS)/prometheus-alertmanager ## Install what the tests need besides Go and a C compiler (an S3 server, Alertmanager)

$(TOOLS)/versitygw:
	@mkdir -p $(TOOLS)
	GOBIN=$(abspath $(TOOLS)) go install -ldflags '$(LDFLAGS)' github.com/versity/versitygw/cmd/versitygw@$(VERSITYGW_VERSION)

# lake and projectors run with the race detector. The fault matrices of lake, a thousand cases, take
# eight minutes with it: make test runs them without, make test-full with.
RACE := ./lake/... ./projectors/...
MATRICES := ^(TestFaultsOn|TestClockJumps|TestNothingIsLost)

.PHONY: test
test: tools ## Run the tests (real Postgres and S3; lake and projectors with the race detector)
	go vet ./...
	go test -race -timeout 40m -skip '$(MATRICES)' $(RACE)
	go test -timeout 40m -run '$(MATRICES)' ./lake
	go test -timeout 40m $$(go list ./... | grep -v -e '^shitpost-alpha/lake' -e '^shitpost-alpha/projectors')

.PHONY: test-full
test-full: compose fuzz interop grafana-types ## Run what is heavy besides: fuzzing, foreign readers, the binaries under many kills
	go test -race -timeout 20m -run '$(MATRICES)' ./lake
	go test . -timeout 60m -run TestHeavy -args -heavy
	go test ./lake -timeout 60m -run TestHeavy -args -heavy
	go test . -count=1 -timeout 20m -run '^TestSoak$$' -args -soak-minutes 3

.PHONY: compose
compose: ## Check compose.yaml with docker-compose itself (Debian package docker-compose)
	docker-compose -f compose.yaml --profile tools --profile one config -q

# Grafana publishes its own types; npm's registry is asked for two packages. Where it is out of reach it
# says that nothing was checked.
GRAFANA_SCHEMA := 12.3.3
TYPESCRIPT := 5.9.3
.PHONY: grafana-types
grafana-types: ## Check the rendered dashboards against Grafana's own types (@grafana/schema, TypeScript)
	@mkdir -p .cache/grafana-schema; cd .cache/grafana-schema; [ -f package.json ] || echo '{"private":true}' > package.json; \
	  npm install --no-audit --no-fund --ignore-scripts --silent @grafana/schema@$(GRAFANA_SCHEMA) typescript@$(TYPESCRIPT) || { echo "grafana-types: NOT CHECKED, npm's packages could not be had" >&2; exit 0; }; \
	  cd ../.. && go test ./dashboards -count=1 -run '^TestGrafanaTypes$$' -args -grafana-schema $(abspath .cache/grafana-schema)

.PHONY: drill
drill: tools ## Lose Postgres, cache and a commit's answer, get everything back, and time it (docs/figures/drill.json)
	@mkdir -p docs/figures
	go test . -count=1 -v -run '^TestDrill$$' -args -drill-report docs/figures/drill.json

.PHONY: figures
figures: ## Open every dashboard of the light viewer in Chromium on the real data, and keep the pictures
	go test . -count=1 -timeout 10m -run TestHeavyViewer -args -heavy -figures $(abspath docs/figures)

MINUTES ?= 30
.PHONY: soak
soak: tools ## Everything at once against faulty fakes, with kills, for MINUTES (docs/figures/soak.json)
	@mkdir -p docs/figures
	go test . -count=1 -v -timeout 0 -run '^TestSoak$$' -args -soak-minutes $(MINUTES) -soak-report docs/figures/soak.json

.PHONY: fakes
fakes: ## Serve the fakes of all outside services, for development (FAKES_FLAGS="--faults 0.02")
	go run ./producers/cmd/fakes $(FAKES_FLAGS)

.PHONY: interop
interop: tools ## Ask readers that we did not write what our tables hold (ClickHouse, delta-rs, Polars, DuckDB, Spark)
	lake/interop/install.sh
	go test -count=1 -timeout 30m -v -run 'TestForeign|TestSparkStream|TestRecipes' ./lake/interop -interop -interop-require=chdb
	go test -count=1 -timeout 30m -v -run 'TestDuckDB|TestSpark' ./docs/recipes -interop

FUZZTIME ?= 10s
.PHONY: fuzz
fuzz: ## Fuzz every parser for FUZZTIME each
	@for pkg in $$(go list ./...); do \
	  for f in $$(go test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
	    echo "fuzz $$pkg $$f"; \
	    go test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$pkg || exit 1; \
	  done; \
	done

.PHONY: bench
bench: tools ## Measure, as JSON lines (name, value, unit, ratio); BENCH_EVENTS=10000000 scans as many too
	@mkdir -p build; go test . ./lake ./lake/scan ./lake/query ./lake/delta ./producers/legacy ./projectors ./readmodel ./projectors/legacycompare ./dashboards -p 1 -run '^TestBench$$' -v -timeout 90m -args -bench-lines > build/bench.log 2>&1; \
	  status=$$?; grep '^{' build/bench.log; [ $$status = 0 ] || tail -20 build/bench.log >&2; exit $$status

# Debian's package, unpacked and not installed where it is not. It looks for its own templates at a fixed
# path, which becomes one of the same length below the folder it is started in.
ALERTMANAGER_SHARE := /usr/share/prometheus/alertmanager
$(TOOLS)/prometheus-alertmanager:
	@mkdir -p $(TOOLS)
	@if bin=$$(command -v prometheus-alertmanager); then ln -sf "$$bin" $@; else \
	  dir=$$(mktemp -d) && (cd "$$dir" && { apt-get download -qq prometheus-alertmanager || { apt-get update -qq && apt-get download -qq prometheus-alertmanager; }; } && dpkg -x prometheus-alertmanager_*.deb .) && \
	  LC_ALL=C sed 's#$(ALERTMANAGER_SHARE)#./alertmanager-default-templates//#g' "$$dir/usr/bin/prometheus-alertmanager" > $@.tmp && \
	  chmod +x $@.tmp && mv $@.tmp $@ && rm -rf "$$dir" || \
	  echo "tools: Alertmanager is missing, and the tests of dashboards/alerting will fail: install Debian's package prometheus-alertmanager" >&2; fi

$(TOOLS)/govulncheck:
	GOBIN=$(abspath $(TOOLS)) go install golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)
$(TOOLS)/gitleaks:
	GOBIN=$(abspath $(TOOLS)) go install github.com/zricethezav/gitleaks/v8@$(GITLEAKS_VERSION)
$(TOOLS)/go-licenses:
	GOBIN=$(abspath $(TOOLS)) go install github.com/google/go-licenses@$(GO_LICENSES_VERSION)
$(TOOLS)/cyclonedx-gomod:
	GOBIN=$(abspath $(TOOLS)) go install github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@$(CYCLONEDX_VERSION)

# Fails on a vulnerability that our code reaches. Where the Go vulnerability database is out of reach
# it says that nothing was checked.
.PHONY: vulnerabilities
vulnerabilities: $(TOOLS)/govulncheck ## Ask the Go vulnerability database about what we call
	@out=$$($(TOOLS)/govulncheck ./... 2>&1); status=$$?; echo "$$out"; \
	  case "$$out" in *"fetching vulnerabilities"*) echo "vulnerabilities: NOT CHECKED, the database could not be reached" >&2;; *) exit $$status;; esac

.PHONY: licences
licences: $(TOOLS)/go-licenses ## Check that all we link is under a licence that lets us
	@mkdir -p build; $(TOOLS)/go-licenses check ./... --ignore shitpost-alpha --ignore github.com/xi2/xz \
	  --allowed_licenses=$(LICENCES) 2> build/licences.log || { grep -v '^[WI][0-9]\|^/' build/licences.log; exit 1; }

.PHONY: secrets
secrets: $(TOOLS)/gitleaks ## Look for secrets in all commits
	@$(TOOLS)/gitleaks git . --no-banner --log-level warn

.PHONY: sbom
sbom: $(TOOLS)/cyclonedx-gomod ## Write build/sbom.json (CycloneDX): every module, its version, hash and licence
	@mkdir -p build
	$(TOOLS)/cyclonedx-gomod mod -licenses -json -output build/sbom.json .

.PHONY: check
check: vulnerabilities licences secrets ## Look for what a review would: formatting, vet, module files, vulnerabilities, licences, secrets
	@test -z "$$(gofmt -l .)" || { echo "gofmt would change:"; gofmt -l .; exit 1; }
	go vet ./...
	go mod verify
	@cp go.mod .go.mod.before && cp go.sum .go.sum.before; go mod tidy; \
	  if cmp -s go.mod .go.mod.before && cmp -s go.sum .go.sum.before; then rm -f .go.*.before; \
	  else mv .go.mod.before go.mod; mv .go.sum.before go.sum; echo "go mod tidy would change go.mod or go.sum"; exit 1; fi

.PHONY: clean
clean: ## Remove what was built and the demo's data; keeps the tools
	rm -rf bin build data/demo
