package webtest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"settlement/shared/web"
)

// someID fills every placeholder of a path; nothing has this id.
const someID = "019a5e1c-7c00-7000-8000-00000000f00d"

var placeInPath = regexp.MustCompile(`\{[^}]*\}`)

// operations calls do with every operation of the contract.
func (a *API) operations(do func(method, path string, operation *openapi3.Operation)) {
	for template, item := range a.Doc.Paths.Map() {
		for method, operation := range item.Operations() {
			do(method, placeInPath.ReplaceAllString(template, someID), operation)
		}
	}
}

// WantOnlyListedParameters fails the test unless every call takes the query parameters that the
// contract lists for it, and refuses any other by name.
func (a *API) WantOnlyListedParameters(t *testing.T) {
	t.Helper()
	a.operations(func(method, path string, operation *openapi3.Operation) {
		for _, p := range operation.Parameters {
			if p.Value.In != "query" {
				continue
			}
			answer := a.Do(t, Request{Method: method, Path: path + "?" + p.Value.Name + "=x", Key: "k"})
			if strings.Contains(string(answer.Body), "is not a query parameter") {
				t.Errorf("%s refuses its %s: %s", operation.OperationID, p.Value.Name, answer.Body)
			}
		}

		for _, query := range []string{"?dry_run=true", "?dry_run", "?dry_run="} {
			answer := a.Do(t, Request{Method: method, Path: path + query, Key: "k"})
			if answer.Status != http.StatusBadRequest {
				t.Errorf("%s%s: answer %d, want 400", operation.OperationID, query, answer.Status)
			}
			if method == http.MethodHead {
				continue // without a body
			}
			if answer.Code(t) != web.CodeInvalidParameter ||
				!strings.Contains(string(answer.Body), "dry_run") {
				t.Errorf("%s%s: answer %s, want one that names dry_run",
					operation.OperationID, query, answer.Body)
			}
		}
	})
}

// WantCursorsAsListed fails the test unless every list takes just the cursors that the contract's
// schema lets through.
func (a *API) WantCursorsAsListed(t *testing.T) {
	t.Helper()
	lists := 0
	a.operations(func(method, path string, operation *openapi3.Operation) {
		p := operation.Parameters.GetByInAndName("query", "cursor")
		if p == nil {
			return
		}
		lists++
		for _, cursor := range []string{
			someID, strings.ToUpper(someID), "{" + someID + "}", "urn:uuid:" + someID,
			strings.ReplaceAll(someID, "-", ""),
			someID + "0", someID[1:], someID + "\n", "00000000-0000-0000-0000-000000000000",
			"ffffffff-ffff-ffff-ffff-ffffffffffff",
			"1", "42", "999999999999999999", "1000000000000000000", "9223372036854775807",
			"18446744073709551615",
			"0", "007", "+7", "-7", "7.0", "7e1", "0x7", " 7", "7\n", "7_0", "٧", "x", "…",
		} {
			listed := p.Schema.Value.VisitJSONString(cursor) == nil
			answer := a.Do(t, Request{Method: method, Path: path + "?cursor=" + url.QueryEscape(cursor)})
			if taken := answer.Code(t) != web.CodeInvalidCursor; taken != listed {
				t.Errorf("%s: cursor %q: by the schema %t, by the code %t",
					operation.OperationID, cursor, listed, taken)
			}
		}
	})

	if lists == 0 {
		t.Error("no call has a cursor")
	}
}

// WantAmountsAsListed fails the test unless a POST to path takes an amount's minor just in those
// spellings that the contract's schema lets through. body makes a body around one.
func (a *API) WantAmountsAsListed(t *testing.T, path, schema string, body func(minor string) string) {
	t.Helper()
	for _, minor := range []string{
		`1`, `397`, `397.0`, `397.00`, `4e2`, `4E+2`, `4000e-1`, `0.4e3`, `1e12`, `1000000000000.0`,
		`397.5`, `0.4`, `4e-1`, `1e13`, `1000000000000.5`, `0`, `0.0`, `0e5`, `-1`, `-4e2`, `1e400`, `"397"`,
		`null`, `true`, `[1]`,
	} {
		// As a schema sees it: a number, however it was written.
		decoder := json.NewDecoder(strings.NewReader(body(minor)))
		decoder.UseNumber()
		var value any
		if err := decoder.Decode(&value); err != nil {
			t.Fatal(err)
		}

		listed := a.Doc.Components.Schemas[schema].Value.VisitJSON(value,
			openapi3.EnableJSONSchema2020()) == nil
		answer := a.Do(t, Request{Method: http.MethodPost, Path: path, Key: "k", Body: body(minor)})
		if taken := answer.Status != http.StatusBadRequest; taken != listed {
			t.Errorf("minor %s: by the schema %t, by the code %t\n%s", minor, listed, taken, answer.Body)
		}
	}
}

// WantHeads fails the test unless the probes answer HEAD with the status and the headers of GET,
// and no body.
func (a *API) WantHeads(t *testing.T) {
	t.Helper()
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		get := a.Do(t, Request{Method: http.MethodGet, Path: path})
		head := a.Do(t, Request{Method: http.MethodHead, Path: path})
		if head.Status != get.Status || head.Header.Get("Content-Type") != get.Header.Get("Content-Type") ||
			len(head.Body) != 0 {
			t.Errorf("HEAD %s: %d %s with %d bytes, GET: %d %s", path, head.Status,
				head.Header.Get("Content-Type"), len(head.Body),
				get.Status, get.Header.Get("Content-Type"))
		}
	}
}
