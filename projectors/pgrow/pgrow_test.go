package pgrow_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/projectors/pgrow"
	"shitpost-alpha/readmodel/readmodeltest"
)

func TestMain(m *testing.M) { os.Exit(readmodeltest.Main(m)) }

type inner struct {
	Flag *bool    `db:"flag"`
	List []string `db:"list"`
}

type row struct {
	Key  string `db:"key,keep"`
	Note string `db:"note"`
	inner
	At      time.Time  `db:"at"`
	Day     event.Date `db:"day"`
	Small   int        `db:"small"`
	Big     *int64     `db:"big"`
	Price   *float64   `db:"price"`
	Yes     bool       `db:"yes"`
	ignored int
}

const table = `CREATE TABLE t (key text, note text, flag boolean, list text[], at timestamptz, day date, small integer, big bigint, price double precision, yes boolean)`

func genRow(t *rapid.T) row {
	r := row{Key: rapid.String().Draw(t, "key"), Note: rapid.String().Draw(t, "note"), Yes: rapid.Bool().Draw(t, "yes")}
	r.List = rapid.SliceOfN(rapid.String(), 0, 4).Draw(t, "list")
	if rapid.Bool().Draw(t, "at set") {
		r.At = time.UnixMicro(rapid.Int64Range(-5e16, 5e16).Draw(t, "at")).UTC()
	}
	r.Day = event.Date(rapid.Int32Range(-400_000, 2_000_000).Draw(t, "day"))
	if rapid.Bool().Draw(t, "pointers set") {
		big, price, flag := rapid.Int64().Draw(t, "big"), rapid.Float64().Draw(t, "price"), rapid.Bool().Draw(t, "flag")
		r.Big, r.Price, r.Flag = &big, &price, &flag
	}
	return r
}

// want is what comes back of r: what Postgres cannot hold is mended or null.
func want(r row) row {
	r.Key, r.Note = pgrow.Clean(r.Key), pgrow.Clean(r.Note)
	var list []string
	for _, s := range r.List {
		list = append(list, pgrow.Clean(s))
	}
	r.List = list
	if r.Price != nil && (math.IsNaN(*r.Price) || math.IsInf(*r.Price, 0)) {
		r.Price = nil
	}
	return r
}

// What is written by COPY comes back by Decode.
func TestRoundTripThroughPostgres(t *testing.T) {
	_, db := readmodeltest.Open(t)
	if _, err := db.Exec(context.Background(), table); err != nil {
		t.Fatal(err)
	}
	codec := pgrow.New[row]()
	columns := strings.Join(codec.Columns(), ", ")
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.SliceOfN(rapid.Custom(genRow), 1, 5).Draw(t, "rows")
		buf := []byte(pgrow.Header)
		for i := range rows {
			rows[i].Small = i // Postgres keeps no order
			buf = codec.Append(buf, &rows[i])
		}
		buf = append(buf, pgrow.Trailer...)
		tx, err := db.Begin(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback(context.Background())
		if _, err := db.PgConn().CopyFrom(context.Background(), bytes.NewReader(buf), "COPY t ("+columns+") FROM STDIN (FORMAT binary)"); err != nil {
			t.Fatal(err)
		}
		result := db.PgConn().ExecParams(context.Background(), "SELECT "+columns+" FROM t ORDER BY small", nil, nil, nil, []int16{pgx.BinaryFormatCode}).Read()
		if result.Err != nil || len(result.Rows) != len(rows) {
			t.Fatalf("%d of %d rows came back, %v", len(result.Rows), len(rows), result.Err)
		}
		for n, values := range result.Rows {
			var got row
			if err := codec.Decode(values, &got); err != nil {
				t.Fatal(err)
			}
			if w := want(rows[n]); !reflect.DeepEqual(got, w) {
				t.Fatalf("row %d came back as %+v, want %+v", n, got, w)
			}
		}
	})
}

// Numerics are what Postgres itself makes of the decimal, for every size and sign.
func TestNumericsAreExact(t *testing.T) {
	_, db := readmodeltest.Open(t)
	type number struct {
		N *pgrow.Decimal `db:"n"`
	}
	if _, err := db.Exec(context.Background(), "CREATE TABLE n (n numeric)"); err != nil {
		t.Fatal(err)
	}
	codec := pgrow.New[number]()
	check := func(t interface{ Fatalf(string, ...any) }, f float64) {
		d := pgrow.Decimal(f)
		buf := append(codec.Append([]byte(pgrow.Header), &number{&d}), pgrow.Trailer...)
		var got *string
		_, err := db.Exec(context.Background(), "TRUNCATE n")
		if err == nil {
			_, err = db.PgConn().CopyFrom(context.Background(), bytes.NewReader(buf), "COPY n FROM STDIN (FORMAT binary)")
		}
		if err == nil {
			err = db.QueryRow(context.Background(), "SELECT n::text FROM n").Scan(&got)
		}
		if err != nil {
			t.Fatalf("%v: %v", f, err)
		}
		want := strings.TrimPrefix(fmt.Sprintf("%.6f", f), "-")
		if f < 0 && strings.Trim(want, "0.") != "" {
			want = "-" + want
		}
		if math.IsNaN(f) || math.IsInf(f, 0) {
			if got != nil {
				t.Fatalf("%v came back as %s, want null", f, *got)
			}
		} else if got == nil || *got != want {
			t.Fatalf("%v came back as %v, want %s", f, got, want)
		}
	}
	for _, f := range []float64{0, 1, -1, 0.5, 0.000001, -0.000001, 0.0000001, 9999.9999, 10000, 12345678.000001, 99999999, 1e12, 1e15, 1e100, 100.000100, math.NaN(), math.Inf(1)} {
		check(t, f)
	}
	rapid.Check(t, func(t *rapid.T) { check(t, float64(rapid.Int64Range(-1e14, 1e14).Draw(t, "micro"))/1e6) })
}

func TestUnknownTypesPanic(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a column of type complex128 was taken")
		}
	}()
	pgrow.New[struct {
		C complex128 `db:"c"`
	}]()
}

// Decode refuses what is no row, and never panics.
func FuzzDecode(f *testing.F) {
	codec := pgrow.New[row]()
	f.Add([]byte("abc"), []byte{0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 25, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 'x'}, []byte{0, 0, 0, 0, 0, 0, 0, 1})
	f.Add([]byte{}, []byte{0, 0, 0, 1}, []byte{1})
	f.Add([]byte{}, []byte{0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 25, 255, 255, 255, 255, 0, 0, 0, 1, 255, 255, 255, 255}, []byte{1})
	f.Fuzz(func(t *testing.T, text, list, number []byte) {
		var r row
		values := [][]byte{text, nil, number, list, number, number, number, number, number, number}
		if err := codec.Decode(values, &r); err == nil && string(r.Key) != string(text) {
			t.Errorf("key %q came out as %q", text, r.Key)
		}
		if err := codec.Decode(values[:3], &r); err == nil {
			t.Error("a row with missing values was taken")
		}
	})
}
