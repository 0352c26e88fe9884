package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"strconv"
)

// subscriptionKey names, in _meta, the request of a client that a notification answers (revision 2026-07-28).
const subscriptionKey = "io.modelcontextprotocol/subscriptionId"

// fields are the members of a JSON object, undecoded: what is not changed is passed on as it came.
type fields map[string]json.RawMessage

// message is one JSON-RPC message.
type message struct {
	fields
	method string
}

func parse(raw []byte) (message, bool) {
	var found message
	if json.Unmarshal(raw, &found.fields) != nil || found.fields == nil {
		return message{}, false
	}
	if method, is := found.fields["method"]; is && json.Unmarshal(method, &found.method) != nil {
		return message{}, false
	}
	return found, true
}

func (m message) isRequest() bool  { return m.method != "" && m.hasID() }
func (m message) isResponse() bool { return m.method == "" && m.hasID() }
func (m message) hasID() bool {
	id, is := m.fields["id"]
	return is && !bytes.Equal(id, []byte("null"))
}

func (m message) line() []byte { return encoded(m.fields) }

// at returns a value within params, by the names of its members.
func (m message) at(path ...string) json.RawMessage {
	value := m.fields["params"]
	for _, name := range path {
		var inner fields
		if json.Unmarshal(value, &inner) != nil {
			return nil
		}
		value = inner[name]
	}
	return value
}

// with returns the message with a value within params changed; members that are missing are not made.
func (m message) with(value json.RawMessage, path ...string) message {
	changed := maps.Clone(m.fields)
	changed["params"] = replaced(m.fields["params"], value, path)
	return message{changed, m.method}
}

func (m message) withID(id json.RawMessage) message {
	changed := maps.Clone(m.fields)
	changed["id"] = id
	return message{changed, m.method}
}

func replaced(object, value json.RawMessage, path []string) json.RawMessage {
	if len(path) == 0 {
		return value
	}
	var inner fields
	if json.Unmarshal(object, &inner) != nil || inner == nil {
		return object
	}
	inner[path[0]] = replaced(inner[path[0]], value, path[1:])
	return encoded(inner)
}

func encoded(value any) json.RawMessage {
	raw, _ := json.Marshal(value) // values are raw messages that were decoded before, numbers and text
	return raw
}

func number(id int64) json.RawMessage { return strconv.AppendInt(nil, id, 10) }

// failure is the answer to a request whose program has ended: it may have run.
func failure(id json.RawMessage, text string) []byte {
	return encoded(map[string]any{"jsonrpc": "2.0", "id": id, "error": map[string]any{"code": -32000, "message": text}})
}
