// Package webtest calls a service's handler over real HTTP, with the server's real limits, and
// holds every answer against the service's OpenAPI.
package webtest

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"settlement/shared/traceparent"
	"settlement/shared/web"
)

// API is a running service and its contract. Safe for concurrent use.
type API struct {
	URL    string
	Doc    *openapi3.T
	router routers.Router
}

// Serve serves handler on a loopback port until the test ends. spec is the path of the OpenAPI.
func Serve(t *testing.T, handler http.Handler, spec string) *API {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromFile(spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatalf("%s: %v", spec, err)
	}

	doc.Servers = nil // they name the port of a real service
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}

	server := httptest.NewUnstartedServer(nil)
	server.Config = web.NewServer(handler, slog.New(slog.DiscardHandler))
	server.Start()
	t.Cleanup(server.Close)
	return &API{URL: server.URL, Doc: doc, router: router}
}

// Request is a call to make. A Content-Type of application/json is added to a body unless
// Header has one; an entry of Header with an empty value takes a header away.
type Request struct {
	Method string
	Path   string
	Key    string // Idempotency-Key; none when empty
	Body   string // none when empty
	Header map[string]string
}

// Answer is what came back.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Do makes the call. It fails the test when the answer is not one that the OpenAPI lists for
// the call, down to the code of a problem.
func (a *API) Do(t *testing.T, r Request) Answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), r.Method, a.URL+r.Path, strings.NewReader(r.Body))
	if err != nil {
		t.Fatal(err)
	}

	if r.Key != "" {
		request.Header.Set("Idempotency-Key", r.Key)
	}
	if r.Body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for name, value := range r.Header {
		request.Header.Set(name, value)
		if value == "" {
			request.Header.Del(name)
		}
	}

	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatalf("%s %s: %v", r.Method, r.Path, err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", r.Method, r.Path, err)
	}

	answer := Answer{Status: response.StatusCode, Header: response.Header, Body: body}
	a.validate(t, request, answer)
	return answer
}

func (a *API) validate(t *testing.T, request *http.Request, answer Answer) {
	t.Helper()
	trace := answer.Header.Get("traceparent")
	if traceparent.Or(trace) != trace {
		t.Errorf("%s %s: traceparent of the answer is %q", request.Method, request.URL.Path, trace)
	}

	route, params, err := a.router.FindRoute(request)
	if err != nil {
		a.validateUnmatched(t, request, answer)
		return
	}
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{
			Request: request, PathParams: params, Route: route,
		},
		Status:  answer.Status,
		Header:  answer.Header,
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	}
	input.SetBodyBytes(answer.Body)
	if err := openapi3filter.ValidateResponse(t.Context(), input); err != nil {
		t.Errorf("%s %s: answer %d is not in the contract: %v\n%s", request.Method, request.URL.Path,
			answer.Status, err, answer.Body)
		return
	}

	withBody := request.Method != http.MethodHead
	if withBody && answer.Status >= http.StatusBadRequest &&
		answer.Header.Get("Content-Type") == "application/problem+json" {
		a.validateCode(t, route, answer)
	}
}

// validateCode wants the code in the description of the operation's response, where a reader
// of the contract looks for it.
func (a *API) validateCode(t *testing.T, route *routers.Route, answer Answer) {
	t.Helper()
	response := route.Operation.Responses.Status(answer.Status).Value
	if !strings.Contains(*response.Description, "`"+answer.Code(t)+"`") {
		t.Errorf("%s: response %d does not list code %q", route.Operation.OperationID,
			answer.Status, answer.Code(t))
	}
}

// validateUnmatched holds the answer to a call that is not in the contract against Problem.
func (a *API) validateUnmatched(t *testing.T, request *http.Request, answer Answer) {
	t.Helper()
	if contentType := answer.Header.Get("Content-Type"); contentType != "application/problem+json" {
		t.Errorf("%s %s: Content-Type is %q", request.Method, request.URL.Path, contentType)
	}

	var value any
	if err := json.Unmarshal(answer.Body, &value); err != nil {
		t.Errorf("%s %s: %v\n%s", request.Method, request.URL.Path, err, answer.Body)
		return
	}
	if err := a.Doc.Components.Schemas["Problem"].Value.VisitJSON(value,
		openapi3.EnableJSONSchema2020()); err != nil {
		t.Errorf("%s %s: %v\n%s", request.Method, request.URL.Path, err, answer.Body)
	}
}

// Code is the code of a problem, "" for an answer that is none.
func (a Answer) Code(t *testing.T) string {
	t.Helper()
	if a.Status < http.StatusBadRequest {
		return ""
	}
	problem := struct{ Code string }{}
	a.Into(t, &problem)
	return problem.Code
}

// Into decodes the JSON of the answer into v.
func (a Answer) Into(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal(a.Body, v); err != nil {
		t.Fatalf("answer %d: %v\n%s", a.Status, err, a.Body)
	}
}

// Want fails the test at once unless the answer has this status and, where it is a problem,
// this code.
func (a Answer) Want(t *testing.T, status int, code string) Answer {
	t.Helper()
	if a.Status != status || a.Code(t) != code {
		t.Fatalf("answer is %d %s, want %d %s\n%s", a.Status, a.Code(t), status, code, a.Body)
	}
	return a
}

// Same reports whether b repeats a: status, Location and every byte of the body.
func (a Answer) Same(b Answer) bool {
	return a.Status == b.Status && a.Header.Get("Location") == b.Header.Get("Location") &&
		bytes.Equal(a.Body, b.Body)
}
