package httpapi

import (
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"settlement/shared/web"
)

// ListEntries answers a page of a wallet's entries, newest first. The cursor is the id of the
// last entry of the page before.
func (a *API) ListEntries(c *gin.Context, id AccountID, params ListEntriesParams) {
	before, badCursor := web.CursorNumber(params.Cursor)
	if err := web.Invalid(web.CheckID("id", id), badCursor, web.CheckLimit(params.Limit)); err != nil {
		fail(c, err)
		return
	}

	found, more, err := a.store.Entries(c.Request.Context(), id, uint64(before), //nolint:gosec // G115: CursorNumber has no sign
		web.LimitOr(params.Limit))
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
