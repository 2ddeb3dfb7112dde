// Package faults breaks things on purpose, from outside of the services: its proxies stand between
// the services and their servers, on loopback. RocketMQ stands before a name server and its broker,
// MySQL before a MySQL or MariaDB server. Each does three things:
//
//   - It passes everything on, packet by packet, in order and unchanged. When one side closes, what
//     was read is passed, then the other side is closed.
//   - Rules (FrameRule, SQLRule) pick single packets by what they say and drop, repeat, delay or
//     cut there. A rule counts how often it fired. The count does not say what came of it: see
//     Switch.
//   - Weather holds, delays or cuts everything, whatever it says.
//
// A rule's Then is the place for process faults: it is called at the very moment that the rule
// describes, while the packet is held.
package faults
