package simulator

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// texts draws wording. Everything here is made up.
type texts struct{ rng *rand.Rand }

func (t texts) pick(from []string) string { return from[t.rng.IntN(len(from))] }

// statements joins one to four statements on one subject or several, as a post does.
func (t texts) statements() string {
	var parts []string
	for range 1 + min(t.rng.IntN(4), t.rng.IntN(4)) {
		parts = append(parts, t.statement())
	}
	if t.rng.IntN(4) == 0 {
		parts = append(parts, t.pick(closings))
	}
	separator := " "
	if t.rng.IntN(6) == 0 {
		separator = "\n"
	}
	return strings.Join(parts, separator)
}

// statement fills the slots of one template.
func (t texts) statement() string {
	s := t.pick(templates)
	for strings.Contains(s, "{") {
		begin := strings.Index(s, "{")
		end := begin + strings.Index(s[begin:], "}")
		s = s[:begin] + t.slot(s[begin+1:end]) + s[end+1:]
	}
	return s
}

// slot draws a value; a slot that is not known shows as its name, which the tests forbid.
func (t texts) slot(name string) string {
	switch name {
	case "company":
		return t.pick(companies)
	case "country":
		return t.pick(countries)
	case "state":
		return t.pick(states)
	case "coin":
		return t.pick(coins)
	case "outlet":
		return t.pick(outlets)
	case "percent":
		return fmt.Sprintf("%d%%", 5*(1+t.rng.IntN(20)))
	case "billions":
		return fmt.Sprintf("$%d Billion", 5*(1+t.rng.IntN(60)))
	case "jobs":
		return fmt.Sprintf("%d,000", 1+t.rng.IntN(60))
	}
	return "<" + name + ">"
}

// link draws an address; simulator.invalid can never be one.
func (t texts) link() string {
	return fmt.Sprintf("https://simulator.invalid/%s/%d", t.pick([]string{"video", "news", "live", "opinion"}), 1000+t.rng.IntN(9000))
}

func (t texts) media(postID string, n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("https://simulator.invalid/media/%s-%d.%s", postID, i+1, t.pick([]string{"jpg", "png", "mp4"})))
	}
	return out
}

var (
	handles = []string{"market_watcher_demo", "factory_news_demo", "farm_report_demo", "energy_desk_demo"}
	short   = []string{"Test", "hello", "WOW!", "So true!", "Big news!", "Thank you!", "MAGA!"}
	outlets = []string{"CNN", "The New York Times", "The Washington Post", "MSNBC", "ABC", "the Fake News Media"}
	coins   = []string{"Bitcoin", "Ethereum", "Solana", "XRP", "Crypto"}
	states  = []string{"Ohio", "Michigan", "Texas", "Arizona", "Georgia", "Pennsylvania", "Indiana", "North Carolina"}

	countries = []string{"China", "Mexico", "Canada", "Japan", "India", "Brazil", "Germany", "South Korea", "Switzerland",
		"Vietnam", "the European Union", "the United Kingdom", "Russia", "Iran", "Taiwan"}
	companies = []string{"Apple", "Boeing", "Ford", "General Motors", "Intel", "Nvidia", "Tesla", "Lockheed Martin", "ExxonMobil",
		"Chevron", "U.S. Steel", "Nucor", "Caterpillar", "John Deere", "Walmart", "Amazon", "Pfizer", "Eli Lilly", "JPMorgan",
		"Micron", "Nike", "Target", "Costco", "FedEx", "Harley-Davidson", "Coca-Cola", "Goldman Sachs", "Microsoft", "Google"}

	closings = []string{"Thank you for your attention to this matter!", "GOD BLESS AMERICA!", "AMERICA FIRST!", "Stay tuned!",
		"Promises made, promises kept!", "We will see what happens."}
)

// templates are statements about what moves markets, and some that do not: praise, blame and denial
// of both, because "not a disaster" is no bad news.
var templates = []string{
	// Companies, good news.
	"{company} just announced a {billions} investment in {state}. {jobs} great new JOBS. Congratulations!",
	"Had a wonderful meeting with the leaders of {company}. A tremendous company doing a fantastic job!",
	"{company} is BACK! Record sales, a strong year, and a big new plant in {state}.",
	"The stock of {company} is going up, up, up. The best is yet to come!",
	"{company} will build its new factory in {state} instead of {country}. A great win for our workers!",
	"We have approved the big order for {company}. Very good for {state}!",
	"NVDA, AAPL and TSLA at record highs. The market is BOOMING!",
	// Companies, bad news.
	"{company} is moving production to {country}. Very disappointing. They will pay a {percent} TARIFF!",
	"The service of {company} is a disaster. Prices are up and customers are leaving. Sad!",
	"{company} should be ashamed. A weak year, terrible management and {jobs} jobs lost.",
	"I am very unhappy with {company}. We may cancel the contract!",
	"The government will investigate {company} for unfair prices. Not good!",
	// Companies, denials.
	"{company} is NOT in trouble, whatever {outlet} says. They are doing fine.",
	"{company} did not do a good job on this one. We will look for others.",
	"There will be no new tax on {company}. The story was false!",
	"It is not true that {company} is failing. They never had a better year!",
	// Tariffs and countries.
	"Starting next month, we will charge a {percent} Tariff on all goods from {country}. They have treated us very unfairly!",
	"We have made a GREAT trade deal with {country}. They will buy {billions} of our products, and pay a {percent} tariff.",
	"The tariffs on {country} are paused for 90 days. The talks are going very well!",
	"{country} has broken its promise. The tariff goes to {percent}, effective immediately!",
	"No tariffs on {country} for now. They came to the table and we respect that.",
	"I just spoke with the leader of {country}. A very good call. Trade will be fair, and PEACE is possible!",
	"We will impose strong sanctions on {country} if there is no deal soon.",
	"Tariffs are making our Country rich again. {billions} came in last month alone!",
	// Sectors.
	"A {percent} tariff on foreign cars and trucks. Our auto workers in {state} will love it!",
	"{percent} on steel and aluminum from {country}. Our steel mills are coming back!",
	"Drug prices are far too high. The pharmaceutical companies will bring them down by {percent}, or else!",
	"Chips and semiconductors will be made in {state} again. {billions} from {company} is only the beginning!",
	"Our farmers are the best. {country} has agreed to buy our soybeans and corn!",
	"We will rebuild our Military. New ships, new planes, {billions} for defense. Peace through strength!",
	"The banks are strong. Regulation will be cut, and small business will get loans again.",
	"Beautiful, clean coal and natural gas will power the AI data centers. Electricity prices will come down!",
	// Oil, rates, money, crypto.
	"Oil is down to a very good price, and gasoline under 2 dollars in {state}. DRILL, BABY, DRILL!",
	"Oil prices are going up because of {country}. OPEC should bring them down, now!",
	"We are filling the Strategic Petroleum Reserve, right to the top. Great for our energy companies!",
	"The Fed is TOO LATE again. Interest rates should come down by a full point. There is no inflation!",
	"Inflation is down, jobs are up, and the stock market has hit another record high!",
	"The dollar is strong, and it will stay strong.",
	"{coin} is the future, and America will lead. No more war on {coin}!",
	"{coin} fell today because of a false story in {outlet}. Do not believe it!",
	"GOLD at a record high. Smart people saw it coming.",
	"THIS IS A GREAT TIME TO BUY!!!",
	// Media, rallies, thanks and what moves nothing.
	"{outlet} has the worst ratings in its history. Nobody believes them any more!",
	"A packed arena in {state} tonight. What a crowd! The doors open at 4 PM.",
	"Thank you, {state}! We love you, and we will never let you down.",
	"I will be interviewed tonight at 9. Enjoy!",
	"Happy birthday to a great friend and patriot. Many more!",
	"It is my honor to endorse a true fighter for the great people of {state}. He will never let you down!",
	"Our hearts are with the families in {state} after the storm. Help is on the way.",
	"The border is closed and our streets are safe. Best numbers ever!",
	"Congratulations to the champions from {state}. An amazing game!",
}
