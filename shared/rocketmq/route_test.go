package rocketmq

import (
	"encoding/json"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

func TestQuoteKeys(t *testing.T) {
	for in, want := range map[string]string{
		`{0:"127.0.0.1:10911"}`:              `{"0":"127.0.0.1:10911"}`,
		`{0:"a",1:"b"}`:                      `{"0":"a","1":"b"}`,
		`{ 0 : "a" , -1 : "b" }`:             `{ "0" : "a" , "-1" : "b" }`,
		`{"0":"a"}`:                          `{"0":"a"}`,
		`{"a":{12:{3:4}},"b":[1,2,{5:6},7]}`: `{"a":{"12":{"3":4}},"b":[1,2,{"5":6},7]}`,
		`{"a":"{0:1}","b":"x\",0:\"y"}`:      `{"a":"{0:1}","b":"x\",0:\"y"}`,
		`{"a":[1,2,3],"b":-1.5e3}`:           `{"a":[1,2,3],"b":-1.5e3}`,
		``:                                   ``,
		`{1`:                                 `{1`,
		`{"a\`:                               `{"a\`,
	} {
		if got := string(quoteKeys([]byte(in))); got != want {
			t.Errorf("%s becomes %s, want %s", in, got, want)
		}
	}
}

// JSON is left as it is.
func TestQuoteKeysLeavesJSONAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := map[string]any{
			"s": rapid.String().Draw(t, "s"), "n": rapid.Float64().Draw(t, "n"),
			"a": rapid.SliceOf(rapid.Int()).Draw(t, "a"), "m": rapid.MapOf(rapid.String(), rapid.Int()).
				Draw(t, "m"),
		}
		in, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		if got := quoteKeys(in); string(got) != string(in) {
			t.Fatalf("%s becomes %s", in, got)
		}
	})
}

func TestParseRoute(t *testing.T) {
	body := `{"brokerDatas":[
		{"brokerAddrs":{0:"10.0.0.2:10911",1:"10.0.0.3:10911"},"brokerName":"b","cluster":"c"},
		{"brokerAddrs":{"0":"10.0.0.1:10911"},"brokerName":"a","cluster":"c"},
		{"brokerAddrs":{1:"10.0.0.9:10911"},"brokerName":"without-master","cluster":"c"}],
		"filterServerTable":{},"queueDatas":[
		{"brokerName":"b","perm":6,"readQueueNums":2,"topicSysFlag":0,"writeQueueNums":1},
		{"brokerName":"a","perm":4,"readQueueNums":1,"topicSysFlag":0,"writeQueueNums":1},
		{"brokerName":"without-master","perm":6,"readQueueNums":4,"writeQueueNums":4},
		{"brokerName":"unknown","perm":6,"readQueueNums":4,"writeQueueNums":4}]}`
	got, err := parseRoute("t", []byte(body))
	if err != nil {
		t.Fatal(err)
	}

	a0, b0, b1 := Queue{"t", "a", "10.0.0.1:10911", 0}, Queue{"t", "b", "10.0.0.2:10911", 0}, Queue{
		"t", "b", "10.0.0.2:10911", 1,
	}
	want := Route{Topic: "t", Readable: []Queue{a0, b0, b1}, Writable: []Queue{b0}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("route is %+v\nwant %+v", got, want)
	}

	if _, err := parseRoute("t", []byte(`{"queueDatas":3}`)); err == nil {
		t.Error("nonsense: no error")
	}
}

func TestParseNamesrv(t *testing.T) {
	for in, want := range map[string][]string{
		"127.0.0.1:9876":                    {"127.0.0.1:9876"},
		"10.0.0.1:9876;10.0.0.2:9876":       {"10.0.0.1:9876", "10.0.0.2:9876"},
		" 10.0.0.1:9876 ; 10.0.0.2:9876 ; ": {"10.0.0.1:9876", "10.0.0.2:9876"},
		"http://namesrv:9876":               {"namesrv:9876"},
		"http://a:9876;10.0.0.1:9876":       {"a:9876", "10.0.0.1:9876"},
		"[::1]:9876":                        {"[::1]:9876"},
	} {
		got, err := parseNamesrv(in)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %q, error %v, want %q", in, got, err, want)
		}
	}

	for _, in := range []string{
		"", ";", "127.0.0.1", "namesrv:9876", ":9876", "127.0.0.1:0", "127.0.0.1:x", "127.0.0.1:70000",
		"http://", "http://a",
	} {
		if got, err := parseNamesrv(in); err == nil {
			t.Errorf("%q: %q, want an error", in, got)
		}
	}
}
