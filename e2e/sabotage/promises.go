package main

import "settlement/e2e/overlay"

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
		Name:  "repeat-not-answered",
		Why:   "A repeat is recognised and its outcome is not reported again: who asks again, because the outcome was lost, is not answered.",
		Cases: []string{"topic-made-anew", "broker-store-lost"},
		Sees:  []string{"decided, never applied to its order"},
		Edits: []overlay.Edit{{File: write, Find: "slices.Concat(b.answers, b.outcomes)", Replace: "b.outcomes"}},
	},
	{
		Name:  "nobody-asks-again",
		Why:   "An instruction that has no outcome is not sent again: what the broker has lost is lost.",
		Cases: []string{"broker-store-lost"},
		Sees:  []string{"accepted, never decided"},
		Edits: nobodyAsksAgain,
	},
	{
		Name:  "asked-again-under-another-number",
		Why:   "An instruction that has no outcome is sent again under a new payment number.",
		Cases: []string{"topic-made-anew", "broker-store-lost"},
		Sees:  []string{"accepted, never decided"},
		Edits: []overlay.Edit{
			{File: unanswered, Find: "Type: r.Type, PaymentNo: r.PaymentNo,", Replace: "Type: r.Type, PaymentNo: uuid.NewString(),"},
			{File: unanswered, Find: "\t\"gorm.io/gorm\"\n", Replace: "\t\"github.com/google/uuid\"\n\t\"gorm.io/gorm\"\n"},
		},
	},
	{
		Name:  "systems-fault-parks-the-traffic",
		Why:   "A message that failed three times is parked, whether others succeed or nothing does.",
		Cases: []string{"outcomes-refused"},
		Sees:  []string{"decided, never applied to its order"},
		Edits: []overlay.Edit{{File: policy, Find: "Alone: before > suspect.tookBefore,", Replace: "Alone: true,"}},
	},
	{
		Name:  "gathered-notice-names-one",
		Why:   "A notice that is told for many of one cause names the first of them, and all of them count as told.",
		Cases: []string{"fails-every-time"},
		Sees:  []string{"a message was parked, and the receiver was not told"},
		Edits: []overlay.Edit{{File: group, Find: "\tif len(keys) < 2 {\n", Replace: "\tif len(keys) > 0 {\n"}},
	},
	{
		Name:  "gathered-notice-marks-one",
		Why:   "Of the notices that are told as one, the first is noted as told, and the others wait for ever.",
		Cases: []string{"fails-every-time"},
		Sees:  []string{"a message is parked, and somebody was not told"},
		Edits: []overlay.Edit{{
			File: teller, Find: "last_error = '' WHERE group_id = ?\", d.ID)", Replace: "last_error = '' WHERE id = ?\", d.ID)",
		}},
	},
}
