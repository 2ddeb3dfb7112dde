package main

import (
	"slices"

	"settlement/e2e/overlay"
)

// Files that one version each changes.
const (
	orderInstruct = "order-service/internal/order/instruct.go"
	orderApply    = "order-service/internal/order/apply.go"
)

// refundVersions are wrong where an order is cancelled, or refunded in part.
var refundVersions = []version{
	{
		Name:  "cancelled-order-charged",
		Why:   "There is no fence: a refund that comes before its settle finds nothing to refund, and the settle is paid after it.",
		Cases: []string{"refund-overtakes"},
		Sees:  []string{"a customer was charged for a cancelled order"},
		Edits: slices.Concat(noFence, anyProgress),
	},
	{
		Name:  "part-refunded-whole",
		Why:   "A refund is of all that is left, whatever amount was asked for.",
		Cases: []string{"parts-doubled"},
		Sees:  []string{"a client asked for one amount, and another was decided"},
		Edits: []overlay.Edit{{File: orderInstruct, Find: "\t\tasked = *amount\n", Replace: "\t\tasked.Currency = amount.Currency\n"}},
	},
	{
		Name:  "rest-refunded-by-half",
		Why:   "A refund of all that is left is of half of it.",
		Cases: []string{"parts-doubled"},
		Sees:  []string{"a client asked for one amount, and another was decided"},
		Edits: []overlay.Edit{{File: orderInstruct, Find: "\tif amount != nil {\n", Replace: "\tif next == Refunding {\n\t\tasked.Minor = (left.Minor + 1) / 2\n\t}\n\tif amount != nil {\n"}},
	},
	{
		Name:  "part-ends-the-payment",
		Why:   "A refund of a part counts as one of the whole: what is left cannot be refunded any more.",
		Cases: []string{"parts-doubled"},
		Sees:  []string{"a refund found nothing to refund"},
		Edits: []overlay.Edit{{File: ledger, Find: "standing.Left.Minor > 0 {", Replace: "standing.Left.Minor < 0 {"}},
	},
	{
		Name:  "part-ends-the-order",
		Why:   "An order that was refunded in part counts as refunded: what is left cannot be refunded any more.",
		Cases: []string{"parts-doubled"},
		Sees:  []string{"what is left of a payment was not refunded", "an order's status is not what its outcomes come to"},
		Edits: []overlay.Edit{{File: orderApply, Find: "refunded == o.Amount)", Replace: "refunded.Minor > 0)"}},
	},
	{
		Name:  "refund-fails-for-no-reason",
		Why:   "Every second refund of a part ends as failed, though nobody has given it up.",
		Cases: []string{"parts-doubled"},
		Sees:  []string{"failed, and no operator has given it up"},
		Edits: []overlay.Edit{{
			File: ledger, Find: "\treturn settlement.Refunded, \"\"\n",
			Replace: "\tif in.Seq%2 == 0 && paid.Left.Minor > in.Amount.Minor {\n\t\treturn settlement.Failed, ReasonDiscarded\n\t}\n\treturn settlement.Refunded, \"\"\n",
		}},
	},
	{
		Name:  "points-kept-after-a-refund",
		Why:   "A refund leaves the customer the points of the payment: settle and refund make points without end.",
		Cases: []string{"sends-doubled"},
		Sees:  []string{"rewarded otherwise than paid and refunded"},
		Edits: []overlay.Edit{{File: apply, Find: "if out.Type == settlement.Paid || after.Status == order.Refunded {", Replace: "if out.Type == settlement.Paid {"}},
	},
	{
		Name:  "cancelled-in-one-step",
		Why:   "A cancelled order forgets the settle that it waits for: the settle's own outcome is a stranger's.",
		Cases: []string{"refund-overtakes"},
		Sees:  []string{"a message was parked that nothing was wrong with"},
		Edits: []overlay.Edit{{File: orderInstruct, Find: "\t\to.CancelledNo = o.PaymentNo\n", Replace: ""}},
	},
}
