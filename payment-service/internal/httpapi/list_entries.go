package httpapi

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"settlement/shared/web"
)

// ListEntries answers a page of a wallet's entries, newest first. The cursor is the id of the
// last entry of the page before.
func (a *API) ListEntries(c *gin.Context, id AccountID, params ListEntriesParams) {
	before, badCursor := params.before()
	if err := web.Invalid(web.CheckID("id", id), badCursor, web.CheckLimit(params.Limit)); err != nil {
		fail(c, err)
		return
	}
	found, more, err := a.store.Entries(c.Request.Context(), id, before, web.LimitOr(params.Limit))
	if err != nil {
		fail(c, err)
		return
	}
	page := EntryPage{Items: make([]Entry, 0, len(found))} // [] and not null when empty
	for _, e := range found {
		page.Items = append(page.Items, newEntry(e))
	}
	if more {
		page.NextCursor = strconv.FormatUint(found[len(found)-1].ID, 10)
	}
	c.JSON(http.StatusOK, page)
}

// before is the entry id that the page ends before; 0 starts with the newest.
func (p ListEntriesParams) before() (uint64, *web.FieldError) {
	if p.Cursor == "" {
		return 0, nil
	}
	before, err := strconv.ParseUint(p.Cursor, 10, 64)
	if err != nil || before == 0 {
		return 0, &web.FieldError{
			Field: "cursor", Code: web.CodeInvalidCursor,
			Detail: fmt.Sprintf("cursor is %.80q, must be the next_cursor of a page", p.Cursor),
		}
	}
	return before, nil
}
