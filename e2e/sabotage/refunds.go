package main

import (
	"slices"

	"settlement/e2e/cases"
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
		Name: "cancelled-order-charged",
		Why: cases.Text{
			EN: "There is no fence: a refund that comes before its settle finds nothing to refund, and the settle is paid after it.",
			ZH: "没有围栏：先于结算到达的退款无款可退，随后的结算照样扣款。",
		},
		Cases: []string{"refund-overtakes"},
		Sees:  []string{"a customer was charged for a cancelled order"},
		Edits: slices.Concat(noFence, anyProgress),
	},
	{
		Name: "part-refunded-whole",
		Why: cases.Text{
			EN: "A refund is of all that is left, whatever amount was asked for.",
			ZH: "不管申请退多少，都退掉剩下的全部。",
		},
		Cases: []string{"parts-doubled"},
		Sees:  []string{"a client asked for one amount, and another was decided"},
		Edits: []overlay.Edit{{File: orderInstruct, Find: "\t\tasked = *amount\n", Replace: "\t\tasked.Currency = amount.Currency\n"}},
	},
	{
		Name: "rest-refunded-by-half",
		Why: cases.Text{
			EN: "A refund of all that is left is of half of it.",
			ZH: "退剩下的全部时，只退一半。",
		},
		Cases: []string{"parts-doubled"},
		Sees:  []string{"a client asked for one amount, and another was decided"},
		Edits: []overlay.Edit{{File: orderInstruct, Find: "\tif amount != nil {\n", Replace: "\tif next == Refunding {\n\t\tasked.Minor = (left.Minor + 1) / 2\n\t}\n\tif amount != nil {\n"}},
	},
	{
		Name: "part-ends-the-payment",
		Why: cases.Text{
			EN: "A refund of a part counts as one of the whole: what is left cannot be refunded any more.",
			ZH: "退了一部分就算全退了：剩下的再也不能退。",
		},
		Cases: []string{"parts-doubled"},
		Sees:  []string{"a refund found nothing to refund"},
		Edits: []overlay.Edit{{File: ledger, Find: "standing.Left.Minor > 0 {", Replace: "standing.Left.Minor < 0 {"}},
	},
	{
		Name: "part-ends-the-order",
		Why: cases.Text{
			EN: "An order that was refunded in part counts as refunded: what is left cannot be refunded any more.",
			ZH: "部分退款的订单算作已退款：剩下的再也不能退。",
		},
		Cases: []string{"parts-doubled"},
		Sees:  []string{"what is left of a payment was not refunded", "an order's status is not what its outcomes come to"},
		Edits: []overlay.Edit{{File: orderApply, Find: "refunded == o.Amount)", Replace: "refunded.Minor > 0)"}},
	},
	{
		Name: "refund-fails-for-no-reason",
		Why: cases.Text{
			EN: "Every second refund of a part ends as failed, though nobody has given it up.",
			ZH: "每两次部分退款就有一次以失败结束，尽管没人放弃它。",
		},
		Cases: []string{"parts-doubled"},
		Sees:  []string{"failed, and no operator has given it up"},
		Edits: []overlay.Edit{{
			File: ledger, Find: "\treturn settlement.Refunded, \"\"\n",
			Replace: "\tif in.Seq%2 == 0 && paid.Left.Minor > in.Amount.Minor {\n\t\treturn settlement.Failed, ReasonDiscarded\n\t}\n\treturn settlement.Refunded, \"\"\n",
		}},
	},
	{
		Name: "points-kept-after-a-refund",
		Why: cases.Text{
			EN: "A refund leaves the customer the points of the payment: settle and refund make points without end.",
			ZH: "退款不收回付款时给的积分：结算再退款，积分越刷越多。",
		},
		Cases: []string{"sends-doubled"},
		Sees:  []string{"rewarded otherwise than paid and refunded"},
		Edits: []overlay.Edit{{File: apply, Find: "if out.Type == settlement.Paid || after.Status == order.Refunded {", Replace: "if out.Type == settlement.Paid {"}},
	},
	{
		Name: "cancelled-in-one-step",
		Why: cases.Text{
			EN: "A cancelled order forgets the settle that it waits for: the settle's own outcome is a stranger's.",
			ZH: "已取消的订单忘了它在等的结算：结算自己的结果成了外来的。",
		},
		Cases: []string{"refund-overtakes"},
		Sees:  []string{"a message was parked that nothing was wrong with"},
		Edits: []overlay.Edit{{File: orderInstruct, Find: "\t\to.CancelledNo = o.PaymentNo\n", Replace: ""}},
	},
}
