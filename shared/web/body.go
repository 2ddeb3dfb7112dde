package web

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
)

const (
	// BodyMaxBytes is the largest request body; a real one is below 1 KiB.
	BodyMaxBytes = 16 << 10
	// discardMaxBytes is how much of a larger body is thrown away unread. A client that sends
	// all of its body before it reads would see a reset connection in place of the answer.
	discardMaxBytes = 16 << 20
)

// limitBody takes the body into memory, or refuses it, before anything else looks at the
// request: a body that is too large gets the same answer from every call.
func limitBody(c *gin.Context) {
	body, err := io.ReadAll(io.LimitReader(c.Request.Body, BodyMaxBytes+1))
	if len(body) > BodyMaxBytes {
		// An error here would say that the client went away, and then nobody reads the answer.
		_, _ = io.CopyN(io.Discard, c.Request.Body, discardMaxBytes)
		Fail(c, NewProblem(http.StatusRequestEntityTooLarge, CodeBodyTooLarge,
			fmt.Sprintf("the body has more than %d bytes, no request needs that many", BodyMaxBytes)))
		return
	}
	if err != nil {
		Fail(c, NewProblem(http.StatusBadRequest, CodeBodyIncomplete,
			"the body ended before it was complete: "+err.Error()))
		return
	}

	c.Request.Body = io.NopCloser(bytes.NewReader(body))
}

// Decode reads the JSON body into v, a pointer to a struct of strings, booleans, integers, further
// such structs with json tags, and pointers to them. A field without omitempty in its tag must be
// there. Every error is a *Problem.
func Decode(c *gin.Context, v any) error {
	body, err := io.ReadAll(c.Request.Body)
	if err != nil {
		return err
	}
	if len(body) == 0 {
		return malformed(errors.New("it is empty, must be a JSON object"))
	}
	if err := requireJSON(c.GetHeader("Content-Type")); err != nil {
		return err
	}
	return decode(body, v)
}

// DecodeOptional is Decode for a call that needs no body: without one v stays as it is. Every error
// is a *Problem.
func DecodeOptional(c *gin.Context, v any) error {
	body, err := io.ReadAll(c.Request.Body)
	if err != nil || len(body) == 0 {
		return err
	}
	if err := requireJSON(c.GetHeader("Content-Type")); err != nil {
		return err
	}
	return decode(body, v)
}

func requireJSON(contentType string) error {
	mediaType, params, err := mime.ParseMediaType(contentType)
	charset, given := params["charset"]
	// Clients write the name without its dash too, although it has one in IANA's list.
	isUTF8 := !given || strings.EqualFold(charset, "utf-8") || strings.EqualFold(charset, "utf8")
	if err != nil || mediaType != "application/json" || !isUTF8 {
		return NewProblem(http.StatusUnsupportedMediaType, CodeUnsupportedMediaType,
			fmt.Sprintf("Content-Type is %s, must be application/json in UTF-8", quote(contentType)))
	}
	return nil
}
