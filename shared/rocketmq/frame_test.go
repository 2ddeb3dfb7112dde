package rocketmq

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestFrameRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := command{
			Code: rapid.IntRange(0, 1<<15-1).Draw(t, "code"), Language: "GO", Version: clientVersion,
			Opaque: rapid.Int32().Draw(t, "opaque"), Flag: rapid.IntRange(0, 3).Draw(t, "flag"),
			Remark:    rapid.String().Draw(t, "remark"),
			ExtFields: rapid.MapOfN(rapid.String(), rapid.String(), 1, 5).Draw(t, "fields"),
			Body:      rapid.SliceOfN(rapid.Byte(), 1, 100).Draw(t, "body"),
		}

		frame, err := encodeFrame(want)
		if err != nil {
			t.Fatal(err)
		}

		r := bytes.NewReader(append(frame, "next"...))
		got, err := readFrame(r)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("read %+v\nwant %+v", got, want)
		}
		if r.Len() != len("next") {
			t.Fatalf("%d bytes left behind the frame, want %d", r.Len(), len("next"))
		}
	})
}

// An answer as the broker sends it, with fields that we do not know.
func TestReadFrameOfABroker(t *testing.T) {
	header := `{"code":0,"extFields":{"offset":"42"},"flag":1,"language":"JAVA","opaque":7,"serializeTypeCurrentRPC":"JSON","version":519}`
	length := uint32(len(header)) //nolint:gosec // of the line above
	c, err := readFrame(bytes.NewReader(frameOf(4+length, 0, length, header)))
	if err != nil {
		t.Fatal(err)
	}
	if !c.isResponse() || c.Opaque != 7 || c.ExtFields["offset"] != "42" || len(c.Body) != 0 {
		t.Errorf("read %+v", c)
	}
}

func TestReadFrameRefusesGarbage(t *testing.T) {
	for name, test := range map[string]struct {
		frame []byte
		want  error
	}{
		"nothing":                 {nil, io.EOF},
		"half a prefix":           {[]byte{0, 0, 0}, io.ErrUnexpectedEOF},
		"length 3":                {frameOf(3, 0, 0, ""), errFrame},
		"length of a gigabyte":    {frameOf(1<<30, 0, 2, "{}"), errFrame},
		"negative length":         {frameOf(0xFFFFFFFF, 0, 2, "{}"), errFrame},
		"above the limit by one":  {frameOf(frameMaxBytes+1, 0, 2, "{}"), errFrame},
		"HTTP":                    {[]byte("HTTP/1.1 400 Bad Request\r\n\r\n"), errFrame},
		"other serializer":        {frameOf(6, 1, 2, "{}"), errFrame},
		"header beyond the frame": {frameOf(6, 0, 3, "{}{}"), errFrame},
		"header is no JSON":       {frameOf(6, 0, 2, "{{"), errFrame},
		"header of other types":   {frameOf(4+12, 0, 12, `{"code":"x"}`), errFrame},
		"no header":               {frameOf(4, 0, 0, ""), errFrame},
		"cut off":                 {frameOf(100, 0, 2, "{}"), io.ErrUnexpectedEOF},
	} {
		if c, err := readFrame(bytes.NewReader(test.frame)); !errors.Is(err, test.want) {
			t.Errorf("%s: read %+v, error %v, want %v", name, c, err, test.want)
		}
	}
}

func TestReadFrameNeverPanics(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		_, _ = readFrame(bytes.NewReader(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")))
	})
}

func TestEncodeFrameRefusesWhatIsTooLong(t *testing.T) {
	if _, err := encodeFrame(command{Body: make([]byte, frameMaxBytes)}); err == nil {
		t.Error("body above the limit: no error")
	}
	if _, err := encodeFrame(command{Remark: strings.Repeat("x", headerMaxBytes)}); err == nil {
		t.Error("header above the limit: no error")
	}
}

func frameOf(length uint32, serializer byte, headerLength uint32, rest string) []byte {
	frame := binary.BigEndian.AppendUint32(nil, length)
	frame = binary.BigEndian.AppendUint32(frame, uint32(serializer)<<24|headerLength)
	return append(frame, rest...)
}
