#!/usr/bin/env bash
# A RocketMQ broker answers the smallest and the largest offset of a topic that does not exist, because it was deleted or never
# was, with success and 0: exactly what it answers for a topic that is there and empty. Sends and pulls of the same topic are
# refused with TOPIC_NOT_EXIST (17).
#
# So whoever compares a group's committed offset with the end of its queue, to see that the broker has lost messages or how far
# a consumer is behind, cannot tell "empty" from "gone" by these requests, and has to ask for the route or the topic's
# configuration too. With 5 messages consumed and the topic deleted, the lag comes to 0 - 5.
#
# Seen with RocketMQ 5.5.0:
#     before: min 0, max 5
#     deleted: min 0, max 0; a send is refused with 17, a pull with 17
#     never was: min 0, max 0
#
# Needs Maven, a JDK of version 17 and about 90 MB of downloads. Runs a name server and a broker on loopback for a minute at
# most; the broker's replication, which would listen on every interface, is left out.
set -euo pipefail

dir=$(mktemp -d)
servers=()
cleanup() {
	for pid in "${servers[@]}"; do { kill -9 "$pid" && wait "$pid"; } 2>/dev/null || true; done
	rm -rf "$dir"
}
trap cleanup EXIT
cd "$dir"

cat >pom.xml <<'XML'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>finding</groupId><artifactId>servers</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.rocketmq</groupId><artifactId>rocketmq-broker</artifactId><version>5.5.0</version></dependency>
    <dependency><groupId>org.apache.rocketmq</groupId><artifactId>rocketmq-namesrv</artifactId><version>5.5.0</version></dependency>
    <dependency><groupId>org.apache.rocketmq</groupId><artifactId>rocketmq-tools</artifactId><version>5.5.0</version></dependency>
  </dependencies>
</project>
XML
mvn -B -q org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$dir"/lib

namesrv=$((20000 + RANDOM % 5000)) broker=$((26000 + RANDOM % 5000))
flags=(-Xmx512m --add-exports=java.base/jdk.internal.ref=ALL-UNNAMED --add-opens=java.base/sun.nio.ch=ALL-UNNAMED
	--add-opens=java.base/java.nio=ALL-UNNAMED -Duser.home="$dir" -Drocketmq.home.dir="$dir"
	-Drocketmq.broker.diskSpaceWarningLevelRatio=0.99 -cp "$dir/own:$dir/lib/*")
printf 'bindAddress=127.0.0.1\nlistenPort=%s\n' "$namesrv" >namesrv.conf
cat >broker.conf <<CONF
brokerClusterName=finding
brokerName=finding-broker
brokerIP1=127.0.0.1
bindAddress=127.0.0.1
listenPort=$broker
namesrvAddr=127.0.0.1:$namesrv
storePathRootDir=$dir/store
autoCreateTopicEnable=false
mappedFileSizeCommitLog=67108864
CONF
cat >NoReplication.java <<'JAVA'
public class NoReplication extends org.apache.rocketmq.store.ha.DefaultHAService {
    @Override public void start() {}
    @Override public void shutdown() {}
}
JAVA
mkdir -p own/META-INF/service
javac -d own -cp "lib/*" NoReplication.java
echo NoReplication >own/META-INF/service/org.apache.rocketmq.store.ha.HAService

java "${flags[@]}" org.apache.rocketmq.namesrv.NamesrvStartup -c namesrv.conf >namesrv.log 2>&1 &
servers+=($!)
java "${flags[@]}" org.apache.rocketmq.broker.BrokerStartup -c broker.conf >broker.log 2>&1 &
servers+=($!)

cat >Finding.java <<'JAVA'
import java.util.Set;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.impl.MQClientAPIImpl;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;

public class Finding {
    static final long TIMEOUT = 10_000;
    static final String TOPIC = "deleted";

    static String broker;
    static MQClientAPIImpl api;

    static String ends(String topic) throws Exception {
        MessageQueue queue = new MessageQueue(topic, "finding-broker", 0);
        return "min " + api.getMinOffset(broker, queue, TIMEOUT) + ", max " + api.getMaxOffset(broker, queue, TIMEOUT);
    }

    static void want(String what, String got, String want) {
        System.out.println(what + ": " + got);
        if (!got.equals(want)) {
            System.err.println("want " + want + ": the broker has changed");
            System.exit(1);
        }
    }

    public static void main(String[] args) throws Exception {
        broker = args[1];
        DefaultMQAdminExt admin = new DefaultMQAdminExt(TIMEOUT);
        admin.setNamesrvAddr(args[0]);
        admin.start();
        api = admin.getDefaultMQAdminExtImpl().getMqClientInstance().getMQClientAPIImpl();
        for (long end = System.currentTimeMillis() + 60_000; ; Thread.sleep(500)) {
            try {
                admin.createAndUpdateTopicConfig(broker, new TopicConfig(TOPIC, 1, 1));
                admin.examineTopicRouteInfo(TOPIC);
                break;
            } catch (Exception notYet) {
                if (System.currentTimeMillis() > end) throw notYet;
            }
        }
        DefaultMQProducer producer = new DefaultMQProducer("finding");
        producer.setNamesrvAddr(args[0]);
        producer.setRetryTimesWhenSendFailed(0);
        producer.start();
        MessageQueue queue = new MessageQueue(TOPIC, "finding-broker", 0);
        for (int i = 0; i < 5; i++) producer.send(new Message(TOPIC, new byte[] {1}), queue, TIMEOUT);
        want("before", ends(TOPIC), "min 0, max 5");

        admin.deleteTopicInBroker(Set.of(broker), TOPIC);
        String send = "is taken";
        try {
            producer.send(new Message(TOPIC, new byte[] {1}), queue, TIMEOUT);
        } catch (MQBrokerException e) {
            send = "is refused with " + e.getResponseCode();
        } catch (MQClientException e) {
            send = "is refused with " + e.getResponseCode();
        }
        String pull = "is answered";
        DefaultMQPullConsumer consumer = new DefaultMQPullConsumer("finding");
        consumer.setNamesrvAddr(args[0]);
        consumer.start();
        try {
            consumer.pull(queue, "*", 0, 1, TIMEOUT);
        } catch (MQBrokerException e) {
            pull = "with " + e.getResponseCode();
        } catch (MQClientException e) {
            pull = "with " + e.getResponseCode();
        }
        want("deleted", ends(TOPIC) + "; a send " + send + ", a pull " + pull,
            "min 0, max 0; a send is refused with 17, a pull with 17");
        want("never was", ends("never-was"), "min 0, max 0");
        System.exit(0);
    }
}
JAVA
javac -cp "lib/*" Finding.java
java -cp "lib/*:." -Duser.home="$dir" -Drocketmq.client.logUseSlf4j=false Finding "127.0.0.1:$namesrv" "127.0.0.1:$broker" 2>err.log | grep -v '|-' ||
	{ tail -20 err.log broker.log >&2; exit 1; }
