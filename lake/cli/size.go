package cli

import (
	"fmt"
	"strconv"
	"strings"
)

// Size is a number of bytes of a flag, written as 500MB, 2GB or 1000000.
type Size int64

// UnmarshalText reads a size.
func (s *Size) UnmarshalText(text []byte) error {
	number := strings.ToUpper(strings.TrimSuffix(strings.ToUpper(string(text)), "B"))
	shift := 0
	if n := len(number); n > 0 {
		if i := strings.IndexByte("KMGT", number[n-1]); i >= 0 {
			number, shift = number[:n-1], 10*(i+1)
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 1 || n > 1<<(62-shift) {
		return fmt.Errorf("%q is no size: want 500MB, 2GB or a number of bytes", text)
	}
	*s = Size(n << shift)
	return nil
}
