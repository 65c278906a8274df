package archive

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"path"
	"strings"
)

// validators are what a server said of a content, to be asked whether it has changed.
type validators struct{ etag, modified string }

// IsURL reports whether a path of Source is an address to be downloaded.
func IsURL(path string) bool {
	return strings.HasPrefix(path, "http://") || strings.HasPrefix(path, "https://")
}

// readURL yields the drafts of a file at an address, none when it has not changed since it was
// recorded. It is read as it arrives; what precedes a cut is yielded.
func (s *Source) readURL(ctx context.Context, address string, take yield) error {
	where, err := url.Parse(address)
	if err != nil || s.Client == nil {
		return errors.New("read archive: the address is not valid") // it may hold a password: not shown
	}
	name := path.Base(where.Path)
	if name == "/" || name == "." {
		name = where.Host
	}
	header := http.Header{}
	if v, ok := s.read[address]; ok {
		if v.etag != "" {
			header.Set("If-None-Match", v.etag)
		}
		if v.modified != "" {
			header.Set("If-Modified-Since", v.modified)
		}
	}
	resp, err := s.Client.Open(ctx, address, header)
	if err != nil {
		return fmt.Errorf("read archive %s: %w", name, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotModified {
		return nil
	}
	size := int(max(resp.ContentLength, 0))
	meter := &meter{r: resp.Body, report: func(done int) { s.Progress.Report(name, done, max(size, done)) }}
	if err := read(name, meter, take); err != nil {
		return fmt.Errorf("read archive %s at %s: %w", name, where.Host, err)
	}
	s.Progress.Report(name, meter.done, meter.done)
	s.pending[address] = validators{resp.Header.Get("ETag"), resp.Header.Get("Last-Modified")}
	return nil
}

// Committed says that everything of the last Read was recorded: an address whose content has not
// changed is not downloaded again.
func (s *Source) Committed() {
	if s.read == nil {
		s.read = map[string]validators{}
	}
	maps.Copy(s.read, s.pending)
	s.pending = nil
}
