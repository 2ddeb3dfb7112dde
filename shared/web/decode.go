package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"unicode/utf8"
)

// decode is stricter than encoding/json, which takes names in any case, the last of several
// equal names, null for anything, and wrong bytes and half surrogate pairs for U+FFFD: what the
// client wrote must be what is stored and what its Idempotency-Key stands for.
func decode(body []byte, v any) error {
	if !utf8.Valid(body) {
		return malformed(errors.New("it is not valid UTF-8"))
	}
	var whole json.RawMessage
	if err := json.Unmarshal(body, &whole); err != nil { // one JSON value and nothing after it
		return malformed(err)
	}
	if lone := loneSurrogate(body); lone != "" {
		return malformed(fmt.Errorf(
			`%s is half of a character: a surrogate needs the other one of its pair beside it, as in \ud83d\ude00`,
			lone))
	}

	d := decoder{json.NewDecoder(bytes.NewReader(body))}
	d.UseNumber()
	return d.value(reflect.ValueOf(v).Elem(), "")
}

// decoder walks a body that is known to be JSON.
type decoder struct{ *json.Decoder }

// value reads the next JSON value into v; path names it, "" for the whole body.
func (d decoder) value(v reflect.Value, path string) error {
	if v.Kind() == reflect.Pointer { // nil says that the field is absent
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}

	token, err := d.Token()
	if err != nil {
		return malformed(err)
	}

	switch v.Kind() { //nolint:exhaustive // no request has a field of another kind
	case reflect.Struct:
		if token != json.Delim('{') {
			return wrongType(path, token, "an object")
		}
		return d.object(v, path)
	case reflect.String:
		s, ok := token.(string)
		if !ok {
			return wrongType(path, token, "a string")
		}
		v.SetString(s)
		return nil
	case reflect.Bool:
		is, ok := token.(bool)
		if !ok {
			return wrongType(path, token, "true or false")
		}
		v.SetBool(is)
		return nil
	case reflect.Int64:
		number, ok := token.(json.Number)
		if !ok {
			return wrongType(path, token, "an integer")
		}
		n, ok := integer(number.String())
		if !ok {
			return wrongType(path, token, "an integer of at most 64 bits")
		}
		v.SetInt(n)
		return nil
	}
	panic(fmt.Sprintf("web: body field %s has kind %s, which decode does not read", path, v.Kind()))
}

// object reads the fields of an object whose brace is read.
func (d decoder) object(v reflect.Value, path string) error {
	fields, required := fieldsOf(v)
	seen := map[string]bool{}

	for d.More() {
		token, err := d.Token()
		if err != nil {
			return malformed(err)
		}
		name, _ := token.(string) // a name is always a string
		at := join(path, name)
		field, known := fields[name]
		if !known {
			return fieldProblem(shorten(at), CodeUnknownField,
				fmt.Sprintf("%s is not a field of this request", quote(at)))
		}
		if seen[name] {
			return fieldProblem(at, CodeInvalidField, at+" is there more than once")
		}
		seen[name] = true
		if err := d.value(field, at); err != nil {
			return err
		}
	}

	for _, name := range required {
		if !seen[name] {
			at := join(path, name)
			return fieldProblem(at, CodeMissingField, at+" is missing")
		}
	}

	if _, err := d.Token(); err != nil && !errors.Is(err, io.EOF) { // the closing brace
		return malformed(err)
	}
	return nil
}

// fieldsOf returns v's fields by JSON name, and the names that must be there in their order.
func fieldsOf(v reflect.Value) (byName map[string]reflect.Value, required []string) {
	byName = map[string]reflect.Value{}
	for i := range v.NumField() {
		name, options, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		byName[name] = v.Field(i)
		if options != "omitempty" {
			required = append(required, name)
		}
	}
	return byName, required
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func malformed(err error) *Problem {
	return NewProblem(http.StatusBadRequest, CodeMalformedJSON, "the body cannot be read: "+err.Error())
}

func fieldProblem(field, code, detail string) error {
	return Invalid(&FieldError{field, code, detail})
}

func wrongType(path string, token json.Token, wanted string) error {
	if path == "" {
		return malformed(fmt.Errorf("it is %s, must be %s", show(token), wanted))
	}
	return fieldProblem(path, CodeInvalidField,
		fmt.Sprintf("%s is %s, must be %s", path, show(token), wanted))
}

// show describes a JSON value by its first token.
func show(token json.Token) string {
	switch t := token.(type) {
	case json.Delim:
		if t == '{' {
			return "an object"
		}
		return "an array"
	case string:
		return quote(t)
	case nil:
		return "null"
	}
	return shorten(fmt.Sprint(token)) // a number or a boolean, as it was written
}
