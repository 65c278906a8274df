package viewer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Listen opens address and says whether it can be reached from this machine alone, for
// Options.LocalOnly.
func Listen(ctx context.Context, address string) (l net.Listener, localOnly bool, err error) {
	l, err = (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, false, fmt.Errorf("listen at %s: %w", address, err)
	}
	tcp, ok := l.Addr().(*net.TCPAddr)
	return l, ok && tcp.IP.IsLoopback(), nil
}

// Serve answers requests at l until ctx ends, then lets those under way finish for a few seconds. It
// closes l.
func (v *Viewer) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{Handler: v.Handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: pageTimeout + 10*time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	select {
	case err := <-done:
		return fmt.Errorf("serve dashboards: %w", err)
	case <-ctx.Done():
	}
	// ctx is over; the requests under way get a time of their own.
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(stopping); err != nil {
		server.Close() // what still runs has had its time
	}
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve dashboards: %w", err)
	}
	return nil
}
