// One node on the loopback: node.groovy FOLDER PORT. Its plugin for HTTP is on the path of classes, where no installation is.
import org.opensearch.common.settings.Settings
import org.opensearch.node.InternalSettingsPreparer
import org.opensearch.node.Node
import org.opensearch.transport.Netty4Plugin

class OneNode extends Node {
  OneNode(Settings settings) {
    super(InternalSettingsPreparer.prepareEnvironment(settings, [:], null, { -> 'one' } as java.util.function.Supplier), [Netty4Plugin], true)
  }
}

def (home, port) = args
def settings = [
  'node.name': 'one', 'cluster.name': 'one', 'path.home': home, 'discovery.type': 'single-node',
  'transport.type': 'netty4', 'transport.host': '127.0.0.1', 'transport.port': '0',
  'http.type': 'netty4', 'http.host': '127.0.0.1', 'http.port': port,
  'cluster.routing.allocation.disk.threshold_enabled': 'false',
]
def built = Settings.builder()
settings.each { name, value -> built.put(name, value) }
new OneNode(built.build()).start()
Thread.currentThread().join()
