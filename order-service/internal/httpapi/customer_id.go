package httpapi

import (
	"fmt"
	"regexp"

	"settlement/shared/web"
)

// customerIDForm is ASCII only, like the column. The id belongs to the caller's system.
var customerIDForm = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,64}$`)

func checkCustomerID(id, code string) *web.FieldError {
	if customerIDForm.MatchString(id) {
		return nil
	}
	return &web.FieldError{
		Field: "customer_id", Code: code,
		Detail: fmt.Sprintf("customer_id is %.80q, must be 1 to 64 of the characters A-Z a-z 0-9 . _ : -",
			id),
	}
}
