# A WebSocket client of Ruby: one session with an echo server, and what it saw.
#
# websocket_client.rb URL
require 'eventmachine'
require 'faye/websocket'
require 'json'

seen = { client: 'ruby', received: [] }
EM.run do
  ws = Faye::WebSocket::Client.new("#{ARGV[0]}ruby")
  ws.on(:open) { ws.send('hello') }
  ws.on(:message) do |event|
    seen[:received] << event.data
    ws.send('bye') if seen[:received].size == 1
  end
  ws.on(:error) { |event| seen[:error] = event.message }
  ws.on(:close) do |event|
    seen[:code] = event.code
    EM.stop
  end
end
puts JSON.generate(seen)
