package web

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/go-sql-driver/mysql"
	"github.com/prometheus/client_golang/prometheus"

	"settlement/shared/dbtx"
	"settlement/shared/idempotency"
	"settlement/shared/traceparent"
)

// logBuffer collects a log that handlers on other goroutines write.
type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// serve starts a real server with a few routes.
func serve(t *testing.T, checks map[string]Check) (url string, log *logBuffer) {
	t.Helper()
	return serveWith(t, Config{Checks: checks})
}

func serveWith(t *testing.T, cfg Config, routes ...func(*gin.Engine)) (url string, log *logBuffer) {
	t.Helper()
	log = &logBuffer{}
	cfg.Logger = slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	cfg.Metrics = prometheus.NewRegistry()
	cfg.Query = map[string][]string{"GET /query": {"customer_id", "status", "cursor", "limit"}}

	engine := NewEngine(cfg)
	health := NewHealth(cfg)
	engine.GET("/healthz", health.GetHealthz)
	engine.GET("/readyz", health.GetReadyz)
	engine.GET("/metrics", health.GetMetrics)
	engine.GET("/query", func(c *gin.Context) { c.String(http.StatusOK, c.Request.URL.RawQuery) })
	engine.GET("/panic", func(*gin.Context) { panic("secret of the house") })
	engine.POST("/empty", func(c *gin.Context) {
		if err := DecodeOptional(c, &struct{}{}); err != nil {
			Fail(c, err)
		}
	})
	engine.POST("/things/:id", func(c *gin.Context) {
		var body request
		if err := Decode(c, &body); err != nil {
			Fail(c, err)
			return
		}
		c.JSON(http.StatusOK, body)
	})

	for _, add := range routes {
		add(engine)
	}

	server := httptest.NewUnstartedServer(nil)
	server.Config = NewServer(engine, cfg.Logger)
	server.Start()
	t.Cleanup(server.Close)
	return server.URL, log
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

func do(t *testing.T, method, url, body string, header http.Header) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		r.Header = header
	}

	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(text)}
}

func TestEdgeRefuses(t *testing.T) {
	url, _ := serve(t, nil)
	const thing = `{"name":"a","amount":{"currency":"CNY","minor":1}}`
	header := func(contentType string, keys ...string) http.Header {
		h := http.Header{"Idempotency-Key": keys}
		if contentType != "" {
			h.Set("Content-Type", contentType)
		}
		return h
	}
	const asJSON = "application/json"
	large := strings.Repeat(" ", BodyMaxBytes) + thing

	cases := []struct {
		name, method, path, body string
		header                   http.Header
		status                   int
		code                     string
	}{
		{"good", "POST", "/things/1", thing, header(asJSON, "k"), 200, ""},
		{
			"good with charset", "POST", "/things/1", thing, header("Application/JSON; charset=UTF-8", "k"),
			200, "",
		},
		{
			"good with the other name of the charset", "POST", "/things/1", thing,
			header(asJSON+`;charset="utf8"`, "k"), 200, "",
		},
		{"and in capitals", "POST", "/things/1", thing, header(asJSON+"; charset=UTF8", "k"), 200, ""},
		{"half a character", "POST", "/empty", `"\ud83d"`, header(asJSON, "k"), 400, CodeMalformedJSON},
		{
			"largest body", "POST", "/things/1", thing + strings.Repeat(" ", BodyMaxBytes-len(thing)),
			header(asJSON, "k"), 200, "",
		},
		{"nowhere", "GET", "/nowhere", "", nil, 404, CodeNotFound},
		{"trailing slash", "GET", "/healthz/", "", nil, 404, CodeNotFound},
		{"wrong method", "DELETE", "/things/1", "", nil, 405, CodeMethodNotAllowed},
		{"post without key", "POST", "/things/1", thing, header(asJSON), 400, CodeKeyMissing},
		{"empty key", "POST", "/things/1", thing, header(asJSON, ""), 400, CodeKeyMissing},
		{"two keys", "POST", "/things/1", thing, header(asJSON, "a", "b"), 400, CodeKeyInvalid},
		{"key with space", "POST", "/things/1", thing, header(asJSON, "a b"), 400, CodeKeyInvalid},
		{"key not ASCII", "POST", "/things/1", thing, header(asJSON, "键"), 400, CodeKeyInvalid},
		{
			"key too long", "POST", "/things/1", thing, header(asJSON, strings.Repeat("k", 256)), 400,
			CodeKeyInvalid,
		},
		{
			"UTF-16", "POST", "/things/1", thing, header(asJSON+"; charset=utf-16", "k"), 415,
			CodeUnsupportedMediaType,
		},
		{"no content type", "POST", "/things/1", thing, header("", "k"), 415, CodeUnsupportedMediaType},
		{
			"form", "POST", "/things/1", thing, header("application/x-www-form-urlencoded", "k"), 415,
			CodeUnsupportedMediaType,
		},
		{
			"other charset", "POST", "/things/1", thing, header(asJSON+"; charset=gbk", "k"), 415,
			CodeUnsupportedMediaType,
		},
		{"body empty", "POST", "/things/1", "", header(asJSON, "k"), 400, CodeMalformedJSON},
		{"body too large", "POST", "/things/1", large, header(asJSON, "k"), 413, CodeBodyTooLarge},
		{
			"body of 10 MB", "POST", "/things/1", strings.Repeat("x", 10<<20), header(asJSON, "k"), 413,
			CodeBodyTooLarge,
		},
		{
			"body of 10 MB that no call reads", "POST", "/nowhere", strings.Repeat("x", 10<<20), nil, 413,
			CodeBodyTooLarge,
		},
		{"no body", "POST", "/empty", "", header("", "k"), 200, ""},
		{"empty object", "POST", "/empty", " {} ", header(asJSON, "k"), 200, ""},
		{"empty object of no type", "POST", "/empty", "{}", header("", "k"), 415, CodeUnsupportedMediaType},
		{
			"something where nothing belongs", "POST", "/empty", `{"a":1}`, header(asJSON, "k"), 400,
			CodeUnknownField,
		},
		{"array where nothing belongs", "POST", "/empty", `[]`, header(asJSON, "k"), 400, CodeMalformedJSON},
		{"unknown parameter", "GET", "/query?status=paid&state=paid", "", nil, 400, CodeInvalidParameter},
		{"unknown parameter without value", "GET", "/query?state", "", nil, 400, CodeInvalidParameter},
		{"parameter in capitals", "GET", "/query?Status=paid", "", nil, 400, CodeInvalidParameter},
		{
			"parameter where none belongs", "POST", "/empty?dry_run=true", "", header(asJSON, "k"), 400,
			CodeInvalidParameter,
		},
		{"parameter of a probe", "GET", "/healthz?verbose=1", "", nil, 400, CodeInvalidParameter},
		{"parameter of nothing", "GET", "/nowhere?a=b", "", nil, 404, CodeNotFound},
		{"broken query", "GET", "/query?a=%zz", "", nil, 400, CodeInvalidParameter},
	}

	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := do(t, c.method, url+c.path, c.body, c.header)
			if got.status != c.status || (c.code != "" &&
				!strings.Contains(got.body, `"code":"`+c.code+`"`)) {
				t.Fatalf("got %d %s, want %d %s", got.status, got.body, c.status, c.code)
			}
			if got := got.header.Get("Content-Type"); c.code != "" && got != "application/problem+json" {
				t.Errorf("Content-Type is %q", got)
			}
		})
	}
}

// Many clients send their whole body before they read: a server that closed at the limit
// would answer them with a reset connection.
func TestLargeBodyOfClientThatReadsLast(t *testing.T) {
	url, _ := serve(t, nil)
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()

	const size = 10 << 20
	header := fmt.Sprintf("POST /things/1 HTTP/1.1\r\nHost: a\r\nIdempotency-Key: k\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n",
		size)
	if _, err := io.WriteString(conn, header+strings.Repeat("x", size)); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()

	if response.StatusCode != http.StatusRequestEntityTooLarge {
		t.Fatalf("got %s", response.Status)
	}
}

func TestBodyThatEndsEarly(t *testing.T) {
	url, _ := serve(t, nil)
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()

	if _, err := io.WriteString(conn,
		"POST /things/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{"); err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 400") ||
		!strings.Contains(string(answer), CodeBodyIncomplete) {
		t.Fatalf("got %q, %v", answer, err)
	}
}

func TestEmptyQueryIsAbsent(t *testing.T) {
	url, _ := serve(t, nil)
	if got := do(t, "GET", url+"/query?customer_id=&status=paid&cursor=&limit=", "",
		nil); got.body != "status=paid" {
		t.Fatalf("query became %q", got.body)
	}
}

func TestUnknownParametersAreNamed(t *testing.T) {
	url, _ := serve(t, nil)
	long := strings.Repeat("x", 1000)
	for query, want := range map[string]string{
		"/query?b=1&a=2&limit=3": `"detail":"\"a\" is not a query parameter of this call: this call has customer_id, status, cursor, limit"`,
		"/query?b=1&a=2":         `{"field":"b","code":"invalid_parameter"`,
		"/healthz?a=1":           `"a\" is not a query parameter of this call: this call has none"`,
		"/healthz?" + long:       `x…\" is not`,
	} {
		if got := do(t, "GET", url+query, "", nil); got.status != 400 ||
			!strings.Contains(got.body, want) || len(got.body) > 1000 {
			t.Errorf("%.80s: got %d %s, want 400 with %s", query, got.status, got.body, want)
		}
	}
}

func TestQueryOf(t *testing.T) {
	got := QueryOf(struct {
		Status string `form:"status,omitempty" json:"status"`
		Key    string `json:"Idempotency-Key"`
		Limit  *int   `form:"limit"`
	}{})
	if strings.Join(got, " ") != "status limit" {
		t.Errorf("got %v", got)
	}
}

func TestPanicIsLoggedAndNotShown(t *testing.T) {
	url, log := serve(t, nil)
	got := do(t, "GET", url+"/panic", "", nil)
	if got.status != http.StatusInternalServerError || !strings.Contains(got.body, CodeInternal) ||
		strings.Contains(got.body, "secret") {
		t.Fatalf("got %d %s", got.status, got.body)
	}

	trace := got.header.Get("traceparent")
	for _, want := range []string{
		"secret of the house", "engine_test.go", `"level":"ERROR"`, traceparent.TraceID(trace),
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("%s is not in the log:\n%s", want, log)
		}
	}
	if got := do(t, "GET", url+"/healthz", "", nil); got.status != http.StatusOK {
		t.Errorf("after a panic /healthz is %d", got.status)
	}
}

func TestTrace(t *testing.T) {
	url, log := serve(t, nil)
	const given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	answer := do(t, "GET", url+"/nowhere", "", http.Header{"Traceparent": {given}})
	if got := answer.header.Get("traceparent"); got != given {
		t.Errorf("a good traceparent became %q", got)
	}
	if !strings.Contains(log.String(), `"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"`) {
		t.Errorf("the log lacks the trace:\n%s", log)
	}

	answer = do(t, "GET", url+"/nowhere", "", http.Header{"Traceparent": {"00-broken"}})
	if got := answer.header.Get("traceparent"); got == "00-broken" || traceparent.Or(got) != got {
		t.Errorf("a broken traceparent became %q", got)
	}
}

func TestMetricsCountRoutesNotPaths(t *testing.T) {
	url, _ := serve(t, nil)
	do(t, "GET", url+"/nowhere/1", "", nil)
	do(t, "BREW", url+"/nowhere/2", "", nil)
	do(t, "POST", url+"/things/7", "", nil)

	text := do(t, "GET", url+"/metrics", "", nil).body
	for _, want := range []string{
		`http_request_seconds_count{route="unmatched",status="404"} 2`,
		`http_request_seconds_count{route="POST /things/:id",status="400"} 1`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not in\n%s", want, text)
		}
	}
	if strings.Contains(text, "BREW") || strings.Contains(text, "nowhere") {
		t.Error("a client's method or path became a label")
	}
}

func TestReady(t *testing.T) {
	answers := func(context.Context) error { return nil }
	fails := func(context.Context) error { return errors.New("no route to the broker") }
	hangs := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	cases := []struct {
		name   string
		broker Check
		beside bool
		status int
		body   string
	}{
		{"all answer", answers, false, 200, `{"checks":{"broker":"ok","database":"ok"},"status":"ready"}`},
		{
			"one fails", fails, false, 503,
			`{"checks":{"broker":"failed","database":"ok"},"status":"not_ready"}`,
		},
		{
			"one hangs", hangs, false, 503,
			`{"checks":{"broker":"failed","database":"ok"},"status":"not_ready"}`,
		},
		{
			"one beside answers", answers, true, 200,
			`{"checks":{"broker":"ok","database":"ok"},"status":"ready"}`,
		},
		{
			"one beside fails", fails, true, 200,
			`{"checks":{"broker":"failed","database":"ok"},"status":"ready"}`,
		},
		{
			"one beside hangs", hangs, true, 200,
			`{"checks":{"broker":"failed","database":"ok"},"status":"ready"}`,
		},
	}

	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			checks, beside := map[string]Check{"database": answers}, map[string]Check{}
			if c.beside {
				beside["broker"] = c.broker
			} else {
				checks["broker"] = c.broker
			}

			url, log := serveWith(t, Config{Checks: checks, Beside: beside})
			start := time.Now()
			got := do(t, "GET", url+"/readyz", "", nil)
			if got.status != c.status || got.body != c.body {
				t.Errorf("got %d %s, want %d %s", got.status, got.body, c.status, c.body)
			}

			if took := time.Since(start); took > readyTimeout+2*time.Second {
				t.Errorf("took %s", took)
			}
			if strings.Contains(c.body, "failed") && !strings.Contains(log.String(), `"a check `) {
				t.Errorf("the log does not say why:\n%s", log)
			}
			if got := do(t, "GET", url+"/healthz", "", nil); got.status != http.StatusOK ||
				got.body != `{"status":"ok"}` {
				t.Errorf("/healthz is %d %s", got.status, got.body)
			}
		})
	}
}

// A request above the limit is refused while the others are still under way; probes get through.
func TestRequestsAboveTheLimitAreRefusedAtOnce(t *testing.T) {
	release, arrived := make(chan struct{}), make(chan struct{}, requestsMax)
	url, _ := serveWith(t, Config{}, func(engine *gin.Engine) {
		engine.GET("/slow", func(c *gin.Context) {
			arrived <- struct{}{}
			<-release
			c.Status(http.StatusOK)
		})
	})

	statuses := make(chan int, requestsMax)
	for range requestsMax {
		go func() { statuses <- do(t, "GET", url+"/slow", "", nil).status }()
	}
	for range requestsMax {
		<-arrived
	}

	refused := do(t, "GET", url+"/query?limit=1", "", nil)
	if refused.status != 503 || refused.header.Get("Retry-After") == "" ||
		!strings.Contains(refused.body, CodeUnavailable) {
		t.Errorf("one more: %d, Retry-After %q, %s; want 503, told to come again", refused.status,
			refused.header.Get("Retry-After"), refused.body)
	}
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		if got := do(t, "GET", url+path, "", nil); got.status != http.StatusOK {
			t.Errorf("%s is %d while requests are refused", path, got.status)
		}
	}

	close(release)
	for range requestsMax {
		if status := <-statuses; status != http.StatusOK {
			t.Errorf("a request within the limit got %d", status)
		}
	}

	if got := do(t, "GET", url+"/query?limit=1", "", nil); got.status != http.StatusOK {
		t.Errorf("afterwards a request got %d", got.status)
	}
}

func TestProblemOfErrors(t *testing.T) {
	cases := []struct {
		err    error
		status int
		code   string
	}{
		{NewProblem(404, "order_not_found", "gone"), 404, "order_not_found"},
		{&idempotency.Refusal{Code: "order_not_settleable", Detail: "is paid"}, 409, "order_not_settleable"},
		{idempotency.ErrKeyReused, 422, CodeKeyReused},
		{idempotency.ErrInFlight, 409, CodeKeyInFlight},
		{dbtx.ErrCommitUnknown, 503, CodeOutcomeUnknown},
		{
			fmt.Errorf("%w: %w", dbtx.ErrCommitUnknown, &mysql.MySQLError{Number: 1317}), 503,
			CodeOutcomeUnknown,
		},
		{
			fmt.Errorf("%w: %w", dbtx.ErrCommitUnknown, &mysql.MySQLError{Number: 1290}), 503,
			CodeOutcomeUnknown,
		},
		{&mysql.MySQLError{Number: 1205}, 503, CodeUnavailable},
		{&mysql.MySQLError{Number: 1047}, 503, CodeUnavailable},
		{&mysql.MySQLError{Number: 1146}, 500, CodeInternal},
		{context.DeadlineExceeded, 503, CodeUnavailable},
		{&net.OpError{Op: "dial", Err: errors.New("connection refused")}, 503, CodeUnavailable},
		{errors.New("column password is secret"), 500, CodeInternal},
	}

	for _, c := range cases {
		p := problemOf(fmt.Errorf("store: %w", c.err))
		if p.retry != (c.status == 503 || c.code == CodeKeyInFlight) {
			t.Errorf("%v: asked to come again: %t", c.err, p.retry)
		}
		if p.Status != c.status || p.Code != c.code || strings.Contains(p.Detail, "secret") {
			t.Errorf("%v became %d %s %s, want %d %s", c.err, p.Status, p.Code, p.Detail, c.status, c.code)
		}
	}
}
