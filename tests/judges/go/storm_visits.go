package main

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/http2"
)

const visitTimeout = 20 * time.Second

// stormVisits is the order in which the kinds come, again and again: of twenty connections, thirteen carry a request that is answered,
// three of them after a resumed handshake; two end without one; five are cut off or given up somewhere.
var stormVisits = []stormVisit{
	{"http1", visitHTTP1}, {"http2", visitHTTP2}, {"resumed", visitResumed}, {"quiet", visitQuiet}, {"http1", visitHTTP1},
	{"reset after request", visitResetAfterRequest}, {"http1", visitHTTP1}, {"http2", visitHTTP2}, {"resumed", visitResumed},
	{"http1", visitHTTP1}, {"reset in handshake", visitResetInHandshake}, {"http1", visitHTTP1}, {"http2", visitHTTP2},
	{"quiet", visitQuiet}, {"http1", visitHTTP1}, {"reset when idle", visitResetWhenIdle}, {"resumed", visitResumed},
	{"reset after HTTP/2 request", visitResetAfterHTTP2}, {"http2", visitHTTP2}, {"no handshake", visitNoHandshake},
}

type stormVisit struct {
	kind string
	run  func(visitor *visitor) error
}

type visitOutcome struct {
	kind      string
	isResumed bool
	took      time.Duration
	problem   error
}

// visitor makes one connection after another, from an address of its own: of one alone the ports would run out, since the kernel
// keeps each for a minute.
type visitor struct {
	target    string
	dialer    net.Dialer
	http1     *tls.Config
	http2     *tls.Config
	resuming  *tls.Config
	isResumed bool
}

func newVisitor(target string, config *tls.Config, worker int) *visitor {
	resuming, overHTTP2 := config.Clone(), config.Clone()
	resuming.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	overHTTP2.NextProtos = []string{"h2"}
	local := &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+worker%250))}
	return &visitor{
		target: target, dialer: net.Dialer{LocalAddr: local, Timeout: visitTimeout},
		http1: config, http2: overHTTP2, resuming: resuming,
	}
}

func (own *visitor) visit(turn int) visitOutcome {
	visit := stormVisits[turn%len(stormVisits)]
	own.isResumed = false
	began := time.Now()
	problem := visit.run(own)
	return visitOutcome{kind: visit.kind, isResumed: own.isResumed, took: time.Since(began), problem: problem}
}

func (own *visitor) dial() (*net.TCPConn, error) {
	conn, err := own.dialer.Dial("tcp", own.target)
	if err != nil {
		return nil, err
	}
	return conn.(*net.TCPConn), conn.SetDeadline(time.Now().Add(visitTimeout))
}

// secure also answers the connection beneath, which tells whether it ends or is reset.
func (own *visitor) secure(config *tls.Config) (*tls.Conn, *net.TCPConn, error) {
	raw, err := own.dial()
	if err != nil {
		return nil, nil, err
	}
	conn := tls.Client(raw, config)
	if err := conn.Handshake(); err != nil {
		return nil, nil, errors.Join(err, raw.Close())
	}
	return conn, raw, nil
}

func visitHTTP1(own *visitor) error { return own.askHTTP1(own.http1) }

func visitResumed(own *visitor) error { return own.askHTTP1(own.resuming) }

func (own *visitor) askHTTP1(config *tls.Config) error {
	conn, _, err := own.secure(config)
	if err != nil {
		return err
	}
	own.isResumed = conn.ConnectionState().DidResume
	if err := writeRequest(conn); err != nil {
		return errors.Join(err, conn.Close())
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	return errors.Join(wholeAnswer(answer), conn.Close())
}

func visitHTTP2(own *visitor) error {
	conn, _, err := own.secure(own.http2)
	if err != nil {
		return err
	}
	answer, err := own.askHTTP2(conn)
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	return errors.Join(wholeAnswer(answer), conn.Close())
}

func (own *visitor) askHTTP2(conn *tls.Conn) (*http.Response, error) {
	session, err := (&http2.Transport{}).NewClientConn(conn)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequest(http.MethodGet, "https://web/", nil)
	if err != nil {
		return nil, err
	}
	return session.RoundTrip(request)
}

// visitQuiet says nothing and ends the connection in order.
func visitQuiet(own *visitor) error {
	conn, _, err := own.secure(own.http1)
	if err != nil {
		return err
	}
	return conn.Close()
}

func visitResetWhenIdle(own *visitor) error {
	_, raw, err := own.secure(own.http1)
	if err != nil {
		return err
	}
	return reset(raw)
}

func visitResetAfterRequest(own *visitor) error {
	conn, raw, err := own.secure(own.http1)
	if err != nil {
		return err
	}
	return errors.Join(writeRequest(conn), reset(raw))
}

// visitResetAfterHTTP2 leaves when the head of the answer has come and before its body was read, with the stream still open for all it knows.
func visitResetAfterHTTP2(own *visitor) error {
	conn, raw, err := own.secure(own.http2)
	if err != nil {
		return err
	}
	_, err = own.askHTTP2(conn)
	return errors.Join(err, reset(raw))
}

// visitResetInHandshake sends a ClientHello and is gone.
func visitResetInHandshake(own *visitor) error {
	raw, err := own.dial()
	if err != nil {
		return err
	}
	if err := tls.Client(deafConn{raw}, own.http1).Handshake(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("a handshake that nobody answered ended with %w", err)
	}
	return reset(raw)
}

// visitNoHandshake connects and ends the connection at once, as health checks do.
func visitNoHandshake(own *visitor) error {
	raw, err := own.dial()
	if err != nil {
		return err
	}
	return raw.Close()
}

// deafConn sends and hears nothing.
type deafConn struct{ net.Conn }

func (deafConn) Read([]byte) (int, error) { return 0, io.EOF }

func reset(raw *net.TCPConn) error {
	return errors.Join(raw.SetLinger(0), raw.Close())
}

func writeRequest(conn net.Conn) error {
	_, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: web\r\n\r\n")
	return err
}

func wholeAnswer(answer *http.Response) error {
	_, err := io.Copy(io.Discard, answer.Body)
	if answer.StatusCode != http.StatusOK {
		err = errors.Join(err, fmt.Errorf("an answer had status %d", answer.StatusCode))
	}
	return err
}
