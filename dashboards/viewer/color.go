package viewer

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// named are Grafana's colour names. "text" and what is not known have no colour of their own.
var named = map[string]string{
	"red": "#F2495C", "orange": "#FF9830", "yellow": "#FADE2A", "green": "#73BF69", "blue": "#5794F2", "purple": "#B877D9",
	"semi-dark-red": "#E02F44", "semi-dark-orange": "#FF780A", "semi-dark-yellow": "#F2CC0C", "semi-dark-green": "#56A64B", "semi-dark-blue": "#3274D9", "semi-dark-purple": "#A352CC",
	"dark-red": "#C4162A", "dark-orange": "#FA6400", "dark-yellow": "#E0B400", "dark-green": "#37872D", "dark-blue": "#1F60C4", "dark-purple": "#8F3BB8",
	"light-red": "#FF7383", "light-orange": "#FFB357", "light-yellow": "#FFEE52", "light-green": "#96D98D", "light-blue": "#8AB8FF", "light-purple": "#CA95E5",
	"super-light-red": "#FFA6B0", "super-light-orange": "#FFCB7D", "super-light-yellow": "#FFF899", "super-light-green": "#C8F2C2", "super-light-blue": "#C0D8FF", "super-light-purple": "#DEB6F2",
	"gray": "#808080", "grey": "#808080", "white": "#FFFFFF", "black": "#000000",
}

// seriesColors tell series apart for the colour-blind too (Okabe and Ito, "Color Universal Design").
var seriesColors = []string{"#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#7F7F7F", "#B8A800"}

var (
	hexColor = regexp.MustCompile(`^#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})$`)
	rgbColor = regexp.MustCompile(`^rgba?\((\d{1,3}), ?(\d{1,3}), ?(\d{1,3})(?:, ?[\d.]+)?\)$`)
)

// css is a colour as #rrggbb, or "" where there is none. Nothing else leaves it: it stands in style
// attributes.
func css(name string) string {
	if hex, ok := named[name]; ok {
		return hex
	}
	if hexColor.MatchString(name) {
		if len(name) == 4 {
			return strings.ToUpper(string([]byte{'#', name[1], name[1], name[2], name[2], name[3], name[3]}))
		}
		return strings.ToUpper(name)
	}
	if m := rgbColor.FindStringSubmatch(name); m != nil {
		var parts [3]int
		for i := range parts {
			parts[i], _ = strconv.Atoi(m[i+1]) // digits by the expression
			parts[i] = min(255, parts[i])
		}
		return fmt.Sprintf("#%02X%02X%02X", parts[0], parts[1], parts[2])
	}
	return ""
}

// colorOf is the colour of a value: by its mapping, else by the field's colour mode. low and high
// are the least and greatest value of the field, for scales that are relative to them.
func (f *field) colorOf(v any, low, high float64) string {
	if to, ok := f.mapped(v); ok && to.Color != "" {
		return css(to.Color)
	}
	n, isNumber := v.(float64)
	switch {
	case v == nil:
		return ""
	case f.Color.Mode == "fixed":
		return css(f.Color.FixedColor)
	case !isNumber:
		return f.base()
	case strings.HasPrefix(f.Color.Mode, "continuous-"):
		return continuous(f.Color.Mode, share(n, bound(f.Min, low), bound(f.Max, high)))
	case f.Color.Mode == "thresholds" || f.Color.Mode == "":
		if f.Thresholds.Mode == "percentage" {
			n = 100 * share(n, bound(f.Min, low), bound(f.Max, high))
		}
		color := ""
		for _, s := range f.Thresholds.Steps {
			if s.Value == nil || n >= *s.Value {
				color = s.Color
			}
		}
		return css(color)
	}
	return ""
}

// base is the colour of what is no number: that of the lowest threshold.
func (f *field) base() string {
	for _, s := range f.Thresholds.Steps {
		if s.Value == nil {
			return css(s.Color)
		}
	}
	return ""
}

func bound(given *float64, found float64) float64 {
	if given != nil {
		return *given
	}
	return found
}

func share(v, low, high float64) float64 {
	if high <= low {
		return 0
	}
	return min(1, max(0, (v-low)/(high-low)))
}

// ramps are the colours of Grafana's continuous scales.
var ramps = map[string][]string{
	"continuous-GrYlRd": {"green", "yellow", "red"}, "continuous-RdYlGr": {"red", "yellow", "green"},
	"continuous-BlYlRd": {"dark-blue", "super-light-yellow", "dark-red"}, "continuous-YlRd": {"super-light-yellow", "dark-red"},
	"continuous-BlPu": {"blue", "purple"}, "continuous-YlBl": {"super-light-yellow", "dark-blue"},
	"continuous-blues": {"white", "dark-blue"}, "continuous-reds": {"white", "dark-red"}, "continuous-greens": {"white", "dark-green"}, "continuous-purples": {"white", "dark-purple"},
}

func continuous(mode string, at float64) string {
	ramp := ramps[mode]
	if len(ramp) == 0 {
		return ""
	}
	position := at * float64(len(ramp)-1)
	i := min(len(ramp)-2, int(position))
	return mix(css(ramp[i]), css(ramp[i+1]), position-float64(i))
}

// mix goes from one colour to another.
func mix(from, to string, at float64) string {
	a, b := rgb(from), rgb(to)
	var c [3]int
	for i := range c {
		c[i] = int(math.Round(float64(a[i]) + at*float64(b[i]-a[i])))
	}
	return fmt.Sprintf("#%02X%02X%02X", c[0], c[1], c[2])
}

func rgb(hex string) (c [3]int) {
	for i := range c {
		n, err := strconv.ParseUint(hex[1+2*i:3+2*i], 16, 8)
		if err == nil {
			c[i] = int(n)
		}
	}
	return c
}

// readable is black or white, whichever stands out from the background (WCAG 2 relative luminance).
func readable(background string) string {
	c := rgb(background)
	luminance := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		v := float64(c[i]) / 255
		if v <= 0.03928 {
			v /= 12.92
		} else {
			v = math.Pow((v+0.055)/1.055, 2.4)
		}
		luminance += weight * v
	}
	if luminance > 0.18 {
		return "#000000"
	}
	return "#FFFFFF"
}
