package main

import (
	"settlement/e2e/cases"
	"settlement/e2e/overlay"
)

// Files that one version each changes.
const (
	unanswered = "order-service/internal/store/unanswered.go"
	policy     = "shared/intake/policy.go"
	group      = "shared/notify/group.go"
)

// promiseVersions lack the code that makes a loss between the two services good, or the code that
// tells people what they have to decide.
var promiseVersions = []version{
	{
		Name: "repeat-not-answered",
		Why: cases.Text{
			EN: "A repeat is recognised and its outcome is not reported again: who asks again, because the outcome was lost, is not answered.",
			ZH: "认出是重复的，但不再上报它的结果：结果丢了再来问的，得不到应答。",
		},
		Cases: []string{"topic-made-anew", "broker-store-lost"},
		Sees:  []string{"decided, never applied to its order"},
		Edits: []overlay.Edit{{File: write, Find: "slices.Concat(b.answers, b.outcomes)", Replace: "b.outcomes"}},
	},
	{
		Name: "nobody-asks-again",
		Why: cases.Text{
			EN: "An instruction that has no outcome is not sent again: what the broker has lost is lost.",
			ZH: "没有结果的指令不再重发：broker 丢了的就丢了。",
		},
		Cases: []string{"broker-store-lost"},
		Sees:  []string{"accepted, never decided"},
		Edits: nobodyAsksAgain,
	},
	{
		Name: "asked-again-under-another-number",
		Why: cases.Text{
			EN: "An instruction that has no outcome is sent again under a new payment number.",
			ZH: "没有结果的指令用新的支付单号重发。",
		},
		Cases: []string{"topic-made-anew", "broker-store-lost"},
		Sees:  []string{"accepted, never decided"},
		Edits: []overlay.Edit{
			{File: unanswered, Find: "Type: r.Type, PaymentNo: r.PaymentNo,", Replace: "Type: r.Type, PaymentNo: uuid.NewString(),"},
			{File: unanswered, Find: "\t\"gorm.io/gorm\"\n", Replace: "\t\"github.com/google/uuid\"\n\t\"gorm.io/gorm\"\n"},
		},
	},
	{
		Name: "systems-fault-parks-the-traffic",
		Why: cases.Text{
			EN: "A message that failed three times is parked, whether others succeed or nothing does.",
			ZH: "失败三次的消息就搁置，不管别的消息成功，还是什么都不成功。",
		},
		Cases: []string{"outcomes-refused"},
		Sees:  []string{"decided, never applied to its order"},
		Edits: []overlay.Edit{{File: policy, Find: "Alone: before > suspect.tookBefore,", Replace: "Alone: true,"}},
	},
	{
		Name: "gathered-notice-names-one",
		Why: cases.Text{
			EN: "A notice that is told for many of one cause names the first of them, and all of them count as told.",
			ZH: "同一原因合并的通知只写出第一条，却全部算通知到了。",
		},
		Cases: []string{"fails-every-time"},
		Sees:  []string{"a message was parked, and the receiver was not told"},
		Edits: []overlay.Edit{{File: group, Find: "\tif len(keys) < 2 {\n", Replace: "\tif len(keys) > 0 {\n"}},
	},
	{
		Name: "gathered-notice-marks-one",
		Why: cases.Text{
			EN: "Of the notices that are told as one, the first is noted as told, and the others wait for ever.",
			ZH: "合并成一条的通知里，只有第一条记为已通知，其余永远等着。",
		},
		Cases: []string{"fails-every-time"},
		Sees:  []string{"a message is parked, and somebody was not told"},
		Edits: []overlay.Edit{{
			File: teller, Find: "last_error = '' WHERE group_id = ?\", d.ID)", Replace: "last_error = '' WHERE id = ?\", d.ID)",
		}},
	},
}
