package webtest

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"settlement/shared/money"
	"settlement/shared/web"
)

// Example returns the example body of the POST at path. path is written as in the OpenAPI.
func (a *API) Example(t *testing.T, path string) string {
	t.Helper()
	body, err := json.Marshal(a.Doc.Paths.Value(path).
		Post.RequestBody.Value.Content["application/json"].Example)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// WantEnum fails the test unless a schema of doc lists exactly these values.
func WantEnum[T ~string](t *testing.T, doc *openapi3.T, schema string, values []T) {
	t.Helper()
	listed := enum(doc, schema)
	for _, v := range values {
		if !slices.Contains(listed, string(v)) {
			t.Errorf("schema %s lacks %q", schema, v)
		}
	}
	if len(listed) != len(values) {
		t.Errorf("schema %s lists %v, the code knows %v", schema, listed, values)
	}
}

// WantEdge fails the test unless doc says of amounts, pages and codes what shared/money and
// shared/web do.
func WantEdge(t *testing.T, doc *openapi3.T) {
	t.Helper()
	WantEnum(t, doc, "Currency", money.Currencies())

	minor := doc.Components.Schemas["Amount"].Value.Properties["minor"].Value
	if *minor.Min != 1 || *minor.Max != float64(money.AmountMaxMinor) {
		t.Errorf("amounts are %g to %g, in the code 1 to %d", *minor.Min, *minor.Max, money.AmountMaxMinor)
	}

	limit := doc.Components.Parameters["Limit"].Value.Schema.Value
	if *limit.Min != 1 || *limit.Max != web.LimitMax ||
		fmt.Sprint(limit.Default) != fmt.Sprint(web.LimitDefault) {
		t.Errorf("pages are %g to %g, %v, in the code 1 to %d, %d", *limit.Min, *limit.Max, limit.Default,
			web.LimitMax, web.LimitDefault)
	}

	codes := enum(doc, "ProblemCode")
	for _, code := range web.Codes() {
		if !slices.Contains(codes, code) {
			t.Errorf("ProblemCode lacks %q", code)
		}
	}
}

func enum(doc *openapi3.T, schema string) []string {
	var values []string
	for _, v := range doc.Components.Schemas[schema].Value.Enum {
		values = append(values, fmt.Sprint(v))
	}
	return values
}
