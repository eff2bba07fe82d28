# Rookery. `make` lists the targets. Building, the demo and the tests need Go and
# make alone; the rest installs its pinned tools into .tools/.

VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS   = -s -w -X main.version=$(VERSION)
FUZZTIME ?= 1m
DURATION ?= 4m
SIZES    ?= 10,100,1000
OPS      ?= 1000000
SEED     ?= 0
ARGS     ?=
TESTARGS ?=

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build bin/rookery, one static binary
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/rookery ./cmd/rookery

.PHONY: demo
demo: build ## Run three nodes and an S3 on this machine (ARGS='--check', ARGS='--port 8090')
	./bin/rookery demo $(ARGS)

# The race detector needs a C compiler: building one package with it tells.
.PHONY: test
test: ## Run all tests, with the race detector where there is a C compiler
	@if CGO_ENABLED=1 go build -race ./object 2>/dev/null; then \
		export CGO_ENABLED=1; set -- -race; \
	else \
		echo 'No working C compiler: the tests run without the race detector.'; \
		export CGO_ENABLED=0; set --; \
	fi; \
	go test "$$@" -timeout 20m $(TESTARGS) ./...

.PHONY: lint
lint: ## Check formatting, the linter's rules and the import rules
	@.ci/tools gofumpt golangci-lint
	@unformatted=$$(.tools/gofumpt -l .); [ -z "$$unformatted" ] || { echo "gofumpt would change:"; echo "$$unformatted"; exit 1; }
	.tools/golangci-lint run ./...
	@.ci/sleeps

.PHONY: fmt
fmt: ## Format the code
	@.ci/tools gofumpt
	.tools/gofumpt -w .

.PHONY: fuzz
fuzz: ## Fuzz every target (FUZZTIME=1m each)
	@.ci/fuzz $(FUZZTIME)

.PHONY: test-real
test-real: ## Test against versitygw and MinIO, each as a process of its own
	@.ci/tools versitygw minio
	ROOKERY_REAL_ORIGINS='$(CURDIR)/.tools' CGO_ENABLED=0 go test -count=1 -timeout 10m -run Real -v ./origin ./admin

.PHONY: test-clients
test-clients: build ## Test with aws-cli, boto3, rclone, s3cmd, mc and the Go SDK against versitygw
	@.ci/tools versitygw mc
	ROOKERY_CLIENTS='$(CURDIR)/bin/rookery' ROOKERY_CLIENTS_TOOLS='$(CURDIR)/.tools' \
		CGO_ENABLED=0 go test -count=1 -timeout 10m -parallel 2 -v ./bench/clients

.PHONY: test-cluster
test-cluster: build ## Kill, stop and cut off nodes under load (root; DURATION=4m, FAULTS='kill -9,stop')
	ROOKERY_FAULTS='$(CURDIR)/bin/rookery' ROOKERY_FAULTS_DURATION='$(DURATION)' ROOKERY_FAULTS_ONLY='$(FAULTS)' \
		CGO_ENABLED=0 go test -count=1 -timeout 0 -v ./bench/faults

.PHONY: test-purge
test-purge: build ## Purge, overwrite and read while nodes are killed and stopped (DURATION=4m; as root they are cut off too)
	ROOKERY_PURGE='$(CURDIR)/bin/rookery' ROOKERY_PURGE_DURATION='$(DURATION)' \
		CGO_ENABLED=0 go test -count=1 -timeout 0 -v -run '^TestPurge$$' ./bench/faults

.PHONY: purge-sim
purge-sim: ## Simulate purges, overwrites and reads under trouble (OPS=1000000, SEED=0 is the time)
	CGO_ENABLED=0 go test -count=1 -timeout 0 -v ./bench/purge/sim -args -operations $(OPS) -seed $(SEED)

.PHONY: plants
plants: ## Plant bugs and see that the tests catch them (ARGS='.ci/plants.d/X.patch')
	.ci/plants $(ARGS)

.PHONY: bench-store
bench-store: ## Measure the store beside Pebble with inline values
	CGO_ENABLED=0 go run ./bench/store $(ARGS)

.PHONY: bench-memory
bench-memory: build ## Show that a node's memory stays within its bound under 200 slow readers
	CGO_ENABLED=0 go run ./bench/memory $(ARGS)

.PHONY: bench-herd
bench-herd: build ## Show what 5,000 simultaneous cold reads of one object cost S3 and the nodes
	CGO_ENABLED=0 go run ./bench/herd $(ARGS)

.PHONY: bench-skew
bench-skew: build ## Show that one very popular key makes no node a bottleneck
	CGO_ENABLED=0 go run ./bench/skew $(ARGS)

.PHONY: bench-lease
bench-lease: ## Show what the lease and the floors cost a hit, in paired rounds
	CGO_ENABLED=0 go run ./bench/lease $(ARGS)

.PHONY: bench-identity
bench-identity: ## Show what a token costs a hit that it was verified for before, in paired rounds
	CGO_ENABLED=0 go run ./bench/identity $(ARGS)

.PHONY: bench-purge
bench-purge: ## Measure what a purge takes on three nodes with real disks, and what floors cost a lookup
	CGO_ENABLED=0 go test -run '^$$' -bench 'Purge|Judge' -benchtime 2s ./council ./purge

.PHONY: bench-parts
bench-parts: build ## Compare a cold object read in parts with the same reads from the origin
	CGO_ENABLED=0 go run ./bench/parts $(ARGS)

.PHONY: bench-scale
bench-scale: ## Simulate clusters of 10, 100 and 1,000 nodes: the ring, and agreement on it
	CGO_ENABLED=0 go test -count=1 -v -timeout 60m ./bench/sim -args -keys 4000000 -sizes $(SIZES)

.PHONY: ci
ci: ## Run everything that is checked before a release
	bash .ci/run

.PHONY: clean
clean: ## Remove what was built here
	rm -rf bin .tools
