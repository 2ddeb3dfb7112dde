package servers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"settlement/e2e/stack/download"
	"settlement/e2e/stack/needs"
	"settlement/e2e/stack/port"
	"settlement/e2e/stack/process"
	mq "settlement/shared/rocketmq"
	"settlement/shared/settlement"
)

const (
	brokerGrace  = 30 * time.Second // to flush its store at SIGTERM
	namesrvGrace = 15 * time.Second
)

// CommitLogFile is the length of one file of the broker's log, in bytes. Only whole files expire.
const CommitLogFile = 64 << 20

const ClusterName = "settlement-cluster"

// jvmFlags are what RocketMQ 5.4.0 needs on JDK 17 and what keeps it small.
var jvmFlags = []string{
	"-Xms256m", "-Xmx512m",
	// Most stacks live for a minute, and then the optimising compiler and G1 cost more than they
	// give.
	"-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
	"--add-exports=java.base/jdk.internal.ref=ALL-UNNAMED",
	"--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
	"--add-opens=java.base/java.nio=ALL-UNNAMED",
}

// The two of RocketMQ, as their processes are named.
const (
	Broker  = "broker"
	Namesrv = "namesrv"
)

// RocketMQ is a name server and a broker on loopback.
type RocketMQ struct {
	Version     string
	NamesrvPort int
	BrokerPort  int // the broker also listens on BrokerPort-2
	MetricsPort int
}

// NewRocketMQ picks the ports of a release, empty for the default.
func NewRocketMQ(version string) (RocketMQ, error) {
	r := RocketMQ{Version: cmp.Or(version, download.RocketMQDefault)}
	if _, err := download.RocketMQ(r.Version); err != nil {
		return r, err
	}
	var err error
	if r.NamesrvPort, err = port.Free(); err != nil {
		return r, err
	}
	if r.MetricsPort, err = port.Free(); err != nil {
		return r, err
	}
	r.BrokerPort, err = port.Free(-2)
	return r, err
}

func (r RocketMQ) NamesrvAddr() string { return port.Loopback(r.NamesrvPort) }
func (r RocketMQ) BrokerAddr() string  { return port.Loopback(r.BrokerPort) }

func (r RocketMQ) namesrv(classes, dir string) (process.Program, error) {
	return java(classes, dir, Namesrv, []int{r.NamesrvPort},
		"org.apache.rocketmq.namesrv.NamesrvStartup", nil, map[string]string{
			"bindAddress": "127.0.0.1",
			"listenPort":  strconv.Itoa(r.NamesrvPort),
		})
}

func (r RocketMQ) broker(classes, dir string) (process.Program, error) {
	flags := []string{
		// T27: a consumer that dies keeps its queues locked for this long, 60 s by default; clients
		// renew every 20 s.
		"-Drocketmq.broker.rebalance.lockMaxLiveTime=25000",
		// T50: by default the broker refuses messages on a disk that is 90 % full; a developer's
		// often is.
		"-Drocketmq.broker.diskSpaceWarningLevelRatio=0.99",
	}

	return java(classes, dir, Broker, []int{r.BrokerPort, r.BrokerPort - 2, r.MetricsPort},
		"org.apache.rocketmq.broker.BrokerStartup", flags, map[string]string{
			// The broker makes system topics with these two names, which nobody else may create:
			// neither is one of our topics.
			"brokerClusterName":     ClusterName,
			"brokerName":            "settlement-broker",
			"brokerIP1":             "127.0.0.1",
			"brokerIP2":             "127.0.0.1",
			"bindAddress":           "127.0.0.1",
			"listenPort":            strconv.Itoa(r.BrokerPort),
			"namesrvAddr":           r.NamesrvAddr(),
			"storePathRootDir":      BrokerStore(dir),
			"storePathCommitLog":    CommitLog(dir),
			"autoCreateTopicEnable": "false",
			"flushDiskType":         "SYNC_FLUSH",
			// T49: under load the default of 200 ms refuses sends that a little later would have
			// been stored.
			"waitTimeMillsInSendQueue": "5000",
			"mappedFileSizeCommitLog":  strconv.Itoa(CommitLogFile),
			"metricsExporterType":      "PROM",
			"metricsPromExporterHost":  "127.0.0.1",
			"metricsPromExporterPort":  strconv.Itoa(r.MetricsPort),
		})
}

// BrokerStore is where the broker of a run keeps what it has stored.
func BrokerStore(dir string) string { return filepath.Join(dir, "broker", "store") }

func CommitLog(dir string) string { return filepath.Join(BrokerStore(dir), "commitlog") }

// java writes the server's configuration and returns how it is started.
func java(
	classes, dir, name string, ports []int, class string, flags []string, conf map[string]string,
) (process.Program, error) {
	home := filepath.Join(dir, name)
	if err := os.MkdirAll(home, 0o755); err != nil {
		return process.Program{}, fmt.Errorf("prepare %s: %w", name, err)
	}

	var b strings.Builder
	for k, v := range conf {
		fmt.Fprintf(&b, "%s=%s\n", k, v)
	}
	file := filepath.Join(home, name+".conf")
	if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
		return process.Program{}, fmt.Errorf("prepare %s: %w", name, err)
	}

	path, err := needs.Find("java")
	if err != nil {
		return process.Program{}, err
	}
	args := append([]string{}, jvmFlags...)
	args = append(args, flags...)
	args = append(args, "-Duser.home="+home, "-Drocketmq.home.dir="+home, "-cp", classes, class, "-c", file)

	p := process.Program{
		Name: name, Path: path, Args: args, Env: process.BaseEnv(), Dir: home,
		Log: filepath.Join(dir, "logs", name+".log"),
	}
	for _, number := range ports {
		p.Listens = append(p.Listens, port.Loopback(number))
	}
	return p, nil
}

// selfTestTopic is a topic that every broker has and registers with the name server.
const selfTestTopic = "SELF_TEST_TOPIC"

// namesrvReady is nil when the name server answers; it knows no topic before its first broker.
func (r RocketMQ) namesrvReady(ctx context.Context) error {
	return r.withAdmin(func(a *mq.Admin) error {
		if _, err := a.Route(ctx, selfTestTopic); !errors.Is(err, mq.ErrTopicMissing) {
			return err
		}
		return nil
	})
}

// brokerReady is nil when the name server knows the broker, so that clients can find it, and the
// broker answers.
func (r RocketMQ) brokerReady(ctx context.Context) error {
	return r.withAdmin(func(a *mq.Admin) error { return a.Ping(ctx, selfTestTopic) })
}

// CreateTopics makes the topics of the contract; those that are there already stay as they are.
func (r RocketMQ) CreateTopics(ctx context.Context) error {
	return r.withAdmin(func(a *mq.Admin) error {
		for topic, queues := range map[string]int{
			settlement.TopicSettlement: settlement.DefaultQueues,
			settlement.TopicOutcome:    settlement.DefaultQueues,
			settlement.TopicPoints:     settlement.PointsQueues,
			settlement.TopicJournal:    settlement.JournalQueues,
		} {
			if err := a.CreateTopic(ctx, topic, queues); err != nil {
				return err
			}
		}
		return nil
	})
}

func (r RocketMQ) withAdmin(do func(*mq.Admin) error) error {
	a, err := mq.NewAdmin(r.NamesrvAddr())
	if err != nil {
		return err
	}
	return errors.Join(do(a), a.Close())
}
