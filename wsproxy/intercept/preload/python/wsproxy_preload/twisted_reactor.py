"""Connections of Twisted's reactors, which autobahn opens.

TLS is a factory around the app's, given to `connectTCP`: it begins once the recorder has answered.
"""

import functools

from . import route, tunnel


def patch_twisted(module):
    connect = module.PosixReactorBase.connectTCP

    @functools.wraps(connect)
    def connectTCP(self, host, port, factory, timeout=30, bindAddress=None):
        if bindAddress is None and route.goes_through(host, port):
            through = _factory_class()(factory, (host, port))
            return connect(self, *route.PROXY, through, timeout, bindAddress)
        return connect(self, host, port, factory, timeout, bindAddress)

    module.PosixReactorBase.connectTCP = connectTCP


@functools.lru_cache(maxsize=None)
def _factory_class():
    """The factory of connections through the recorder; made late, as Twisted is imported late."""
    from twisted.internet.protocol import ClientFactory, Protocol
    from twisted.python.failure import Failure

    class Connect(Protocol):
        """Sends the CONNECT request, and gives the connection to the app's own protocol."""

        def __init__(self, factory):
            self.factory = factory
            self.answer = tunnel.Answer()

        def connectionMade(self):
            self.transport.write(tunnel.request(*self.factory.target))

        def dataReceived(self, data):
            if not self.answer.add(data):
                return
            if not self.answer.accepted:
                self.factory.refusal = tunnel.refusal(*self.factory.target, self.answer.rest)
                self.transport.abortConnection()
                return
            protocol = self.factory.app.buildProtocol(self.transport.getPeer())
            if protocol is None:
                self.transport.abortConnection()
                return
            self.transport.protocol = protocol
            protocol.makeConnection(self.transport)
            if self.answer.rest:
                protocol.dataReceived(self.answer.rest)

    class ThroughRecorder(ClientFactory):
        """Does what the app's factory does, once the recorder has answered."""

        noisy = False

        def __init__(self, app, target):
            self.app, self.target = app, target
            self.refusal = None

        def doStart(self):
            self.app.doStart()

        def doStop(self):
            self.app.doStop()

        def startedConnecting(self, connector):
            self.app.startedConnecting(connector)

        def buildProtocol(self, addr):
            return Connect(self)

        def clientConnectionFailed(self, connector, reason):
            self.app.clientConnectionFailed(connector, reason)

        def clientConnectionLost(self, connector, reason):
            refusal, self.refusal = self.refusal, None
            if refusal is not None:
                self.app.clientConnectionFailed(connector, Failure(refusal))
            else:
                self.app.clientConnectionLost(connector, reason)

    return ThroughRecorder
