package lake

import (
	"encoding/base64"
	"encoding/hex"
	"strconv"

	"shitpost-alpha/lake/delta"
	"shitpost-alpha/lake/event"
)

// tagEvents of a commitInfo says who the events of the commit's file are, in the order of its rows:
// of each the hash of its subject, its event_id and its content_hash, 16 bytes each, all of it in
// base64. It is what another writer must know to decide again, so that it needs no data file. Left
// out where there are more than maxIdentities, or a retraction, of which a reader must see more.
const (
	tagEvents     = "events"
	maxIdentities = 64
	identityBytes = 48
)

// identity is what an event is about, who it is and what it says, as hashes.
type identity struct {
	subject        [16]byte
	event, content [16]byte
	recorded       int64 // µs since 1970
}

func identityOf[E event.Event](e *E) identity {
	v := event.EnvelopeOf(e)
	return identity{digest(event.Hash(event.SubjectOf(e))), digest(v.EventID), digest(v.ContentHash), v.RecordedAt.UnixMicro()}
}

// identityTag renders tagEvents; "" where it is left out.
func identityTag[E event.Event](events []E) string {
	if len(events) > maxIdentities {
		return ""
	}
	out := make([]byte, 0, identityBytes*maxIdentities)
	for i := range events {
		v := event.EnvelopeOf(&events[i])
		id := identityOf(&events[i])
		if v.Kind == event.Retracted || hex.EncodeToString(id.event[:]) != v.EventID {
			return ""
		}
		out = append(append(append(out, id.subject[:]...), id.event[:]...), id.content[:]...)
	}
	return base64.StdEncoding.EncodeToString(out)
}

// identitiesOf reads what a commit says of its events. ok is false where it does not say: the caller
// reads the file. recorded_at grows by a microsecond from row to row, up to the tag of the file.
func identitiesOf(actions []delta.Action) (ids []identity, batch string, ok bool) {
	var info *delta.CommitInfo
	var add *delta.Add
	for _, a := range actions {
		switch {
		case a.CommitInfo != nil:
			info = a.CommitInfo
		case a.Add != nil && add != nil, a.Remove != nil:
			return nil, "", false
		case a.Add != nil:
			add = a.Add
		}
	}
	if info == nil || add == nil || !isNews(add) {
		return nil, "", false
	}
	data, err := base64.StdEncoding.DecodeString(info.Tags[tagEvents])
	newest, err2 := strconv.ParseInt(add.Tags[tagNewest], 10, 64)
	rows := len(data) / identityBytes
	if err != nil || err2 != nil || rows == 0 || len(data)%identityBytes != 0 || rowsOf(add.Stats) != int64(rows) {
		return nil, "", false
	}
	for i := range rows {
		part := data[i*identityBytes:]
		ids = append(ids, identity{[16]byte(part), [16]byte(part[16:]), [16]byte(part[32:]), newest - int64(rows-1-i)})
	}
	return ids, info.TxnID, true
}
