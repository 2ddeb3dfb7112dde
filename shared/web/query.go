package web

import (
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"
)

// checkQuery refuses a query parameter that the route does not have: a client that sends
// settle?dry_run=true does not want to pay. Parameters without a value are taken out, which makes
// ?status=&limit= the same as no query: a form sends its empty fields too.
func (e edge) checkQuery(c *gin.Context) {
	if c.Request.URL.RawQuery == "" {
		return
	}

	query, err := url.ParseQuery(c.Request.URL.RawQuery)
	if err != nil {
		Fail(c, NewProblem(http.StatusBadRequest, CodeInvalidParameter,
			"the query cannot be read: "+err.Error()))
		return
	}
	if c.FullPath() != "" {
		if err := unknownParameters(query, e.query[c.Request.Method+" "+c.FullPath()]); err != nil {
			Fail(c, err)
			return
		}
	}

	for name, values := range query {
		if !slices.ContainsFunc(values, func(v string) bool { return v != "" }) {
			query.Del(name)
		}
	}
	c.Request.URL.RawQuery = query.Encode()
}

func unknownParameters(query url.Values, known []string) error {
	has := "this call has none"
	if len(known) > 0 {
		has = "this call has " + strings.Join(known, ", ")
	}

	var wrong []*FieldError
	for name := range query {
		if !slices.Contains(known, name) {
			wrong = append(wrong, &FieldError{
				Field: shorten(name), Code: CodeInvalidParameter,
				Detail: fmt.Sprintf("%s is not a query parameter of this call: %s", quote(name), has),
			})
		}
	}

	slices.SortFunc(wrong, func(a, b *FieldError) int { return strings.Compare(a.Field, b.Field) })
	return Invalid(wrong...)
}

// QueryOf lists the query parameters that the generator has made fields of params, a struct: those
// with a form tag.
func QueryOf(params any) []string {
	var names []string
	for _, field := range reflect.VisibleFields(reflect.TypeOf(params)) {
		if name, _, _ := strings.Cut(field.Tag.Get("form"), ","); name != "" {
			names = append(names, name)
		}
	}
	return names
}
