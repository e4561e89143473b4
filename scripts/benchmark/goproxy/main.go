// The reverse proxy one would write in Go in an afternoon: the yardstick of the benchmark.
//
//	goproxy -listen 127.0.0.1:PORT -upstream http://127.0.0.1:PORT [-scan]
//
// It reads the body, finds "model" in it as a router must, and forwards with net/http/httputil. With -scan the model is
// found by one pass over the bytes instead of by encoding/json.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"time"
)

// scanModel returns the value of the key "model" at the top level of an object, without decoding the rest.
func scanModel(body []byte) string {
	depth := 0
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case '"':
			end := stringEnd(body, i)
			if depth == 1 && string(body[i:min(end, len(body))]) == `"model"` {
				rest := bytes.TrimLeft(body[end:], " \t\r\n:")
				if len(rest) > 0 && rest[0] == '"' {
					return string(rest[1 : stringEnd(rest, 0)-1])
				}
			}
			i = end - 1
		}
	}
	return ""
}

// stringEnd returns the index behind the closing quote of the string that opens at body[start].
func stringEnd(body []byte, start int) int {
	for i := start + 1; i < len(body); i++ {
		next := bytes.IndexByte(body[i:], '"')
		if next < 0 {
			return len(body)
		}
		i += next
		slashes := 0
		for body[i-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return i + 1
		}
	}
	return len(body)
}

func main() {
	listen := flag.String("listen", "127.0.0.1:8000", "address")
	upstream := flag.String("upstream", "http://127.0.0.1:9000", "where requests go")
	scan := flag.Bool("scan", false, "find the model with a scanner")
	flag.Parse()
	time.AfterFunc(2*time.Hour, func() { os.Exit(0) }) // never outlives a benchmark
	target, err := url.Parse(*upstream)
	if err != nil {
		log.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.FlushInterval = -1
	proxy.Transport = &http.Transport{MaxIdleConns: 256, MaxIdleConnsPerHost: 256, DisableCompression: true}
	log.SetOutput(io.Discard) // a client that leaves is not news here
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		var head struct {
			Model string `json:"model"`
		}
		if *scan {
			head.Model = scanModel(body)
		} else if len(body) > 0 {
			err = json.Unmarshal(body, &head)
		}
		if err != nil || (r.Method == http.MethodPost && head.Model == "") {
			http.Error(w, "no model", http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(w, r)
	})
	if err := http.ListenAndServe(*listen, handler); err != nil {
		os.Exit(1)
	}
}
