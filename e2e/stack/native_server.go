package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"settlement/e2e/stack/process"
	"settlement/e2e/stack/servers"
)

// The servers of a native stack.
const (
	Broker   = servers.Broker
	Namesrv  = servers.Namesrv
	Database = "database"
)

// Server is the broker, the name server or the database of a native stack.
type Server struct {
	Name   string
	native *native
}

// Server returns the server with this name, one of the constants. It is an error where the stack
// does not run that server: on compose, and for a database that DB names by its DSN.
func (s *Stack) Server(name string) (*Server, error) {
	n, ok := s.backend.(*native)
	if !ok {
		return nil, fmt.Errorf("server %s: this stack runs on %s, where only services can be reached; use STACK=%s",
			name, s.On, OnNative)
	}
	server := &Server{Name: name, native: n}
	if n.Find(server.process()) == nil {
		return nil, fmt.Errorf("server %s: this stack does not run one", name)
	}
	return server, nil
}

// process is the server's name among the processes.
func (s *Server) process() string {
	if s.Name == Database {
		return s.native.Database.Kind
	}
	return s.Name
}

// Kill ends the server by SIGKILL and returns when it is gone. Its data stays.
func (s *Server) Kill() error { return s.native.Find(s.process()).Stop(0) }

// CommitLog is the directory in which the broker keeps all messages of all topics, one behind the
// other.
func (s *Server) CommitLog() (string, error) {
	if s.Name != Broker {
		return "", fmt.Errorf("server %s keeps no messages", s.Name)
	}
	return servers.CommitLog(s.native.Dir), nil
}

// LoseStore removes all that a dead broker has stored: messages, topics, groups and their offsets.
func (s *Server) LoseStore() error {
	if p := s.native.Find(s.process()); s.Name != Broker || p.Alive() {
		return fmt.Errorf("lose the store of %s: it has to be a broker that does not run", s.Name)
	}
	return os.RemoveAll(servers.BrokerStore(s.native.Dir))
}

// CreateTopics makes the topics of the contract that are not there.
func (s *Stack) CreateTopics(ctx context.Context) error {
	n, ok := s.backend.(*native)
	if !ok {
		return errors.New("create topics: only on a native stack")
	}
	return n.createTopics(ctx)
}

// deleteTries is how often the tool is told to delete a topic at most: it waits 5 s for each
// answer, also on a busy machine.
const deleteTries = 3

// DeleteTopic removes a topic, with its messages and every group's offsets, as operators do it.
func (s *Stack) DeleteTopic(ctx context.Context, topic string) error {
	var out string
	for range deleteTries {
		var err error
		if out, err = s.MQAdmin(ctx, "deleteTopic", "-c", servers.ClusterName, "-t", topic); err != nil {
			return err
		}
		if strings.Contains(out, "success") {
			return nil
		}
		if !strings.Contains(out, "RemotingTimeoutException") {
			break
		}
	}
	return fmt.Errorf("delete topic %s: %s", topic, out)
}

// Start starts the server again at the same address and returns when it is ready.
func (s *Server) Start(ctx context.Context) error {
	if s.Name == Database {
		return s.native.BootDatabase(ctx, s.native.Database.Server)
	}
	return s.native.BootRocketMQ(ctx, s.native.RocketMQ, s.Name)
}

// Pause freezes the server by SIGSTOP: its connections stay open and nothing is answered.
func (s *Server) Pause() error { return s.native.Find(s.process()).Signal(syscall.SIGSTOP) }

// Resume lets a paused server go on.
func (s *Server) Resume() error { return s.native.Find(s.process()).Signal(syscall.SIGCONT) }

// MQAdmin runs RocketMQ's command line tool against the name server of a native stack and returns
// what it prints. The tool exits with 0 even when it fails: look at the output.
func (s *Stack) MQAdmin(ctx context.Context, args ...string) (string, error) {
	n, ok := s.backend.(*native)
	if !ok {
		return "", errors.New("mqadmin: only on a native stack")
	}
	command, err := n.MQAdmin(ctx, n.RocketMQ)
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, command[0],
		append(append(command[1:], args...), "-n", n.RocketMQ.NamesrvAddr())...)
	cmd.Env = process.BaseEnv()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("mqadmin %v: %w: %s", args, err, out)
	}
	return string(out), nil
}
