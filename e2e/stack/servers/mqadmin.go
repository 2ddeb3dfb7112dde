package servers

import (
	"context"
	"strings"

	"settlement/e2e/stack/download"
	"settlement/e2e/stack/needs"
	"settlement/e2e/stack/workspace"
)

// MQAdmin is the command line of RocketMQ's tool for the name server of r, to which its arguments
// are added.
func (s *Set) MQAdmin(ctx context.Context, r RocketMQ) ([]string, error) {
	classes, err := download.RocketMQClasses(ctx, s.Workspace, r.Version)
	if err != nil {
		return nil, err
	}
	path, err := needs.Find("java")
	if err != nil {
		return nil, err
	}
	command := append([]string{path}, jvmFlags...)
	return append(command, "-Duser.home="+s.Dir, "-Drocketmq.home.dir="+s.Dir,
		"-Drocketmq.namesrv.addr="+r.NamesrvAddr(), "-cp", classes,
		"org.apache.rocketmq.tools.command.MQAdminStartup"), nil
}

// WriteMQAdmin leaves the tool for people, as a script beside the services' binaries.
func (s *Set) WriteMQAdmin(ctx context.Context, r RocketMQ) error {
	command, err := s.MQAdmin(ctx, r)
	if err != nil {
		return err
	}
	var quoted []string
	for _, word := range command {
		quoted = append(quoted, "'"+strings.ReplaceAll(word, "'", `'\''`)+"'")
	}
	// The logging library tells of its own start in a hundred lines, which would hide the answer.
	// The tool exits with 0 also when it fails, so that no exit code is lost here.
	script := "#!/bin/sh\n# RocketMQ's mqadmin for the stack of make up.\n" + strings.Join(quoted, " ") +
		" \"$@\" 2>&1 | grep -v '|-[A-Z]* in '\n"
	return workspace.WriteFile(s.Workspace.Path("bin", "mqadmin"), []byte(script), 0o755)
}
