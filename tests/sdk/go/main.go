// WebSocket clients of Go: one session each with an echo server, and what they saw.
//
// websocket_clients HOST TLS_BUNDLE NAMES...
//
// Prints a line of JSON for each of NAMES.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"

	gorilla "github.com/gorilla/websocket"
	nhooyr "nhooyr.io/websocket"
)

type seen struct {
	Client   string   `json:"client"`
	Received []string `json:"received,omitempty"`
	Code     int      `json:"code,omitempty"`
	Error    string   `json:"error,omitempty"`
}

func talkGorilla(dialer *gorilla.Dialer, url string) (result seen) {
	connection, _, err := dialer.Dial(url, nil)
	if err != nil {
		return seen{Error: err.Error()}
	}
	defer connection.Close()
	for _, text := range []string{"hello", "bye"} {
		if err = connection.WriteMessage(gorilla.TextMessage, []byte(text)); err != nil {
			return seen{Error: err.Error()}
		}
		_, data, err := connection.ReadMessage()
		if err != nil {
			return seen{Error: err.Error()}
		}
		result.Received = append(result.Received, string(data))
	}
	_, _, err = connection.ReadMessage()
	if closed, ok := err.(*gorilla.CloseError); ok {
		result.Code = closed.Code
	} else {
		result.Error = fmt.Sprint(err)
	}
	return result
}

func talkNhooyr(url string) (result seen) {
	ctx := context.Background()
	connection, _, err := nhooyr.Dial(ctx, url, nil)
	if err != nil {
		return seen{Error: err.Error()}
	}
	for _, text := range []string{"hello", "bye"} {
		if err = connection.Write(ctx, nhooyr.MessageText, []byte(text)); err != nil {
			return seen{Error: err.Error()}
		}
		_, data, err := connection.Read(ctx)
		if err != nil {
			return seen{Error: err.Error()}
		}
		result.Received = append(result.Received, string(data))
	}
	_, _, err = connection.Read(ctx)
	result.Code = int(nhooyr.CloseStatus(err))
	return result
}

// A dialer that trusts one authority, whatever the system trusts.
func pinned(bundle string) *gorilla.Dialer {
	pem, err := os.ReadFile(bundle)
	if err != nil {
		panic(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return &gorilla.Dialer{TLSClientConfig: &tls.Config{RootCAs: roots}}
}

func main() {
	host, bundle := os.Args[1], os.Args[2]
	for _, name := range os.Args[3:] {
		url := "wss://" + host + "/" + name
		var result seen
		switch name {
		case "gorilla":
			result = talkGorilla(gorilla.DefaultDialer, url)
		case "gorilla-no-proxy":
			result = talkGorilla(&gorilla.Dialer{}, url)
		case "gorilla-pinned":
			result = talkGorilla(pinned(bundle), url)
		case "nhooyr":
			result = talkNhooyr(url)
		default:
			result.Error = "unknown client"
		}
		result.Client = name
		line, _ := json.Marshal(result)
		fmt.Println(string(line))
	}
}
