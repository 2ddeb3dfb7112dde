/**
 * The broker's replication to slaves, left out. Its socket (listenPort+1) has no setting for an
 * address and would listen on every network interface, handing all messages to whoever asks.
 */
public class NoReplication extends org.apache.rocketmq.store.ha.DefaultHAService {
    @Override
    public void start() {}

    @Override
    public void shutdown() {}
}
