package main

import "settlement/e2e/overlay"

// Files that one version each changes.
const (
	orderInstruct = "order-service/internal/order/instruct.go"
	orderApply    = "order-service/internal/order/apply.go"
)

// refundVersions are wrong where an order is cancelled, or refunded in part.
var refundVersions = []version{
	{
		Name:  "refund-passes-the-fence",
		Why:   "A refund takes effect when it comes, also before the settle that it was asked behind.",
		Cases: []string{"refund-overtakes"},
		Sees:  []string{"an order's sequence has a gap or a repeat", "a refund found nothing to refund"},
		Edits: []overlay.Edit{{
			File: ledger, Find: "case in.Seq > last+1:", Replace: "case in.Seq > last+1 && in.Type != settlement.Refund:",
		}},
	},
	{
		Name:  "part-refunded-whole",
		Why:   "A refund is of all that is left, whatever amount was asked for.",
		Cases: []string{"sends-doubled"},
		Sees:  []string{"a client asked for one amount, and another was decided"},
		Edits: []overlay.Edit{{File: orderInstruct, Find: "\t\tasked = *amount\n", Replace: "\t\tasked.Currency = amount.Currency\n"}},
	},
	{
		Name:  "part-ends-the-payment",
		Why:   "A refund of a part counts as one of the whole: what is left cannot be refunded any more.",
		Cases: []string{"sends-doubled"},
		Sees:  []string{"a refund found nothing to refund"},
		Edits: []overlay.Edit{{File: ledger, Find: "standing.Left.Minor > 0 {", Replace: "standing.Left.Minor < 0 {"}},
	},
	{
		Name:  "part-ends-the-order",
		Why:   "An order that was refunded in part counts as refunded, and is settled again on top of it.",
		Cases: []string{"sends-doubled"},
		Sees:  []string{"an order's status is not what its outcomes come to"},
		Edits: []overlay.Edit{{File: orderApply, Find: "refunded == o.Amount)", Replace: "refunded.Minor > 0)"}},
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
		Sees:  []string{"an outcome was parked that nothing was wrong with"},
		Edits: []overlay.Edit{{File: orderInstruct, Find: "\t\to.CancelledNo = o.PaymentNo\n", Replace: ""}},
	},
}
