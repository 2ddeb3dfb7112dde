.DEFAULT_GOAL := help
SHELL := /bin/bash

# Tools are run at these versions; nothing has to be installed by hand. The generator's is in the
# go:generate lines.
GOFUMPT       := mvdan.cc/gofumpt@v0.12.0
GOLANGCI_LINT := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

GO_DIRS   := e2e migrations order-service payment-service shared
GENERATED := $(wildcard */internal/httpapi/*.gen.go)

# The RocketMQ client is not clean under the race detector: what starts it is tested without.
WITHOUT_RACE := ./shared/rocketmq/... ./e2e/...
WITH_RACE     = $(shell go list ./... | grep -v -e '/shared/rocketmq' -e '/e2e')
GO_TEST      := go test -count=1 -shuffle=on -timeout=20m

.PHONY: help demo up down test test-one test-servers faults soak sabotage check fmt generate build secrets clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  What demo, up and the e2e tests run on:"
	@echo "    STACK=auto|native|compose  containers where Docker answers (auto, the default), else native servers"
	@echo "    DB=mysql|mysql9|mariadb|mariadb11|DSN"
	@echo "                               database of a native stack: MySQL 8.0.12 (the default), MySQL 9.7, Debian's MariaDB,"
	@echo "                               MariaDB 11.8, or a running server whose user in the DSN may create databases and"
	@echo "                               users, such as"
	@echo "                               'root:password@tcp(127.0.0.1:3306)/'"
	@echo "    ROCKETMQ=5.4.0|5.5.0       name server and broker of a native stack (5.4.0 is the default)"

demo: ## start everything, settle real orders with faults in the middle, print a verdict
	go run ./e2e/cmd/demo

up: ## start everything and leave it running; addresses go to .run/stack.env
	@go run ./e2e/cmd/stack up

down: ## stop what up has started; its data stays
	@go run ./e2e/cmd/stack down

test: ## run everything that CI runs: vet, build, all tests on real servers, all fault cases
	go vet ./...
	go build ./...
	go run ./e2e/cmd/stack run --db mysql --db mariadb --rocketmq --cc -- $(MAKE) --no-print-directory test-on-servers
	$(MAKE) --no-print-directory faults

test-one: ## run one Go test on real servers, NAME=TestADoubleClickPaysOnce
	@packages=$$(grep -rl --include='*_test.go' '^func $(NAME)(' $(GO_DIRS) | xargs -r -n1 dirname | sort -u | sed 's|^|./|'); \
	if [ -z "$(NAME)" ] || [ -z "$$packages" ]; then \
		echo "NAME=$(NAME): no Go test has that name; say the whole name of a function, as in NAME=TestADoubleClickPaysOnce" >&2; exit 2; fi; \
	go run ./e2e/cmd/stack run --db mysql --db mariadb --rocketmq --cc -- go test -count=1 -v -timeout=20m -run '^$(NAME)$$' $$packages

# What the fault cases and the soak are drawn from, and how many stacks the cases run on side by side.
SEED     ?= 1
LANES    ?= 3
DURATION ?= 10m

faults: ## break everything once, CASE=name for one; LIST=1 lists them, DISARMED=1 plays them and breaks nothing
	go run ./e2e/cmd/faults -seed $(SEED) -lanes $(LANES) $(if $(CASE),-case $(CASE)) $(if $(DISARMED),-disarmed) $(if $(LIST),-list)

soak: ## random faults at random moments under the highest load, DURATION=10m SEED=1
	go run ./e2e/cmd/faults -soak $(DURATION) -seed $(SEED) -html .run/soak.html

sabotage: ## prove that the fault cases see: build wrong versions of the services, each must be caught; ONLY=name for one
	go run ./e2e/sabotage -seed $(SEED) -lanes $(LANES) $(if $(ONLY),-only $(ONLY))

# What must hold on servers of other releases too, which are fetched into .run and leave the system as it is. Not in CI.
test-servers: ## the tests of databases and broker, and their fault cases, on MySQL 9.7, MariaDB 11.8 and RocketMQ 5.5.0
	ROCKETMQ=5.5.0 go run ./e2e/cmd/stack run --db mysql9 --db mariadb11 --rocketmq -- \
		$(GO_TEST) -p=1 -parallel=16 ./migrations/... ./order-service/... ./payment-service/... ./shared/...
	for db in mysql9 mariadb11; do \
		DB=$$db ROCKETMQ=5.5.0 go run ./e2e/cmd/faults -from database,broker -seed $(SEED) -lanes $(LANES) -html .run/faults-$$db.html || exit 1; done

# The e2e tests start stacks of their own, one package after the other.
.PHONY: test-on-servers
test-on-servers:
	$(GO_TEST) -race $(WITH_RACE)
	$(GO_TEST) -p=1 -parallel=16 $(WITHOUT_RACE)

check: ## format, vet, lint, go.mod tidy, generated files current
	@unformatted=$$(go run $(GOFUMPT) -l $(GO_DIRS)) && if [ -n "$$unformatted" ]; then \
		echo "not formatted, run make fmt:"; echo "$$unformatted"; exit 1; fi
	@long=$$(find $(GO_DIRS) -name '*.go' ! -name '*.gen.go' -exec awk '{ gsub(/\t/, "    ") } \
		/^ *\/\/ / && length > 100 { print FILENAME ":" FNR ": " length " columns" }' {} +) && \
		if [ -n "$$long" ]; then echo "comments of more than 100 columns:"; echo "$$long"; exit 1; fi
	go vet ./...
	go run $(GOLANGCI_LINT) run
	go mod tidy -diff
	@before=$$(cat $(GENERATED) | sha256sum) && $(MAKE) --no-print-directory generate && \
		if [ "$$before" != "$$(cat $(GENERATED) | sha256sum)" ]; then \
		echo "generated files were not current, they are now: $(GENERATED)"; exit 1; fi

fmt: ## format all Go files
	go run $(GOFUMPT) -l -w $(GO_DIRS)

generate: ## write the generated files again
	go generate ./...

build: ## build the services to .run/bin
	go build -o .run/bin/ ./order-service ./payment-service

secrets: ## make the password files of docker-compose.yml that are missing
	@go run ./e2e/cmd/stack secrets

clean: down ## stop everything, remove data, downloads and binaries; passwords and container volumes stay
	rm -rf .run
