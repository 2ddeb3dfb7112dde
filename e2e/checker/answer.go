package checker

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"time"
)

// readAnswer reads an answer as a client got it. It is zero when there is none to read.
func readAnswer(body []byte) (a answer) {
	folded, err := json.Marshal(fold(body))
	if err != nil || json.Unmarshal(folded, &a) != nil {
		return answer{}
	}
	return a
}

// is reports whether the client's answer is the one that is remembered under the key. The client's
// answer may say more, since some of it is derived; it must say all that is remembered.
func (k *keyRow) is(a Attempt) bool {
	if a.Outcome != OK {
		return readProblem(a.Answer) == problem{Code: k.RefusalCode, Detail: k.RefusalDetail}
	}

	kept := fold([]byte(k.Result))
	return k.RefusalCode == "" && kept != nil && covers(fold(a.Answer), kept)
}

// fold decodes JSON with the names of all fields in lower case and without underscores. The
// services remember their own structs and answer by their OpenAPI, and the two spell names
// differently. fold returns nil for a body that is not JSON.
func fold(body []byte) any {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber() // an amount is an int64
	var v any
	if decoder.Decode(&v) != nil {
		return nil
	}
	return foldValue(v)
}

func foldValue(v any) any {
	fields, ok := v.(map[string]any)
	if !ok {
		return v
	}

	folded := make(map[string]any, len(fields))
	for name, value := range fields {
		folded[strings.ToLower(strings.ReplaceAll(name, "_", ""))] = foldValue(value)
	}
	return folded
}

// covers reports whether all of part is in whole; both are folded. Times are compared as times.
func covers(whole, part any) bool {
	switch p := part.(type) {
	case map[string]any:
		w, ok := whole.(map[string]any)
		if !ok {
			return false
		}
		for name, value := range p {
			if of, ok := w[name]; !ok || !covers(of, value) {
				return false
			}
		}
		return true
	case string:
		w, ok := whole.(string)
		if !ok || w == p {
			return ok
		}

		wt, err := time.Parse(time.RFC3339Nano, w)
		if err != nil {
			return false
		}
		pt, err := time.Parse(time.RFC3339Nano, p)
		return err == nil && wt.Equal(pt)
	default:
		return reflect.DeepEqual(whole, part)
	}
}
