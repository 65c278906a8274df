package harvester

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/lease"
	"shitpost-alpha/producers"
)

// leaseName is the lease of the paid scraper, one for all harvesters of a lake.
const leaseName = "scrapecreators"

// paid holds the lease of the paid scraper, so that a second harvester waits instead of paying too.
// The lease's note is the day's request count: a restart does not forget it.
type paid struct {
	lake   *lake.Lake
	budget *producers.Budget
	log    *slog.Logger
	ttl    time.Duration // of the lease
	lease  *lease.Lease  // nil until the first step
}

// hold returns once the lease is ours, which may take as long as another harvester lives.
func (p *paid) hold(ctx context.Context) error {
	if p == nil || p.lease != nil && p.lease.Check() == nil {
		return nil
	}
	if p.lease != nil {
		p.release(ctx)
	}
	l, err := lease.Acquire(ctx, p.lake.Store(), leaseName, lease.Options{Stream: p.lake.Posts, TTL: p.ttl, Log: p.log})
	if err != nil {
		return err
	}
	p.budget.Load(l.Note())
	p.lease = l
	return nil
}

// check is asked before every request and every append.
func (p *paid) check() error {
	if p.lease == nil {
		return errors.New("no lease is held")
	}
	p.lease.SetNote(p.budget.Note())
	return p.lease.Check()
}

// release gives the lease up, also when ctx has ended.
func (p *paid) release(ctx context.Context) {
	if p == nil || p.lease == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	p.lease.SetNote(p.budget.Note())
	if err := p.lease.Release(ctx); err != nil {
		p.log.Warn("lease not released: it runs out by itself", "error", err)
	}
	p.lease = nil
}
