/**
 * Forms of words that no rule finds: irregular verbs and plurals, spellings, contractions, and words that only look inflected.
 */

/** A line is a lemma and its irregular forms. */
export const irregularForms = `
be am is are was were been being
have has had having
do does did done doing
go went gone goes going
get got gotten getting
make made
take took taken
give gave given
come came
see saw seen
know knew known
think thought
find found
tell told
become became
leave left
feel felt
bring brought
begin began begun beginning
keep kept
hold held
write wrote written writing
stand stood
hear heard
let letting
mean meant
meet met
run ran running
pay paid
sit sat sitting
speak spoke spoken
lie lying
lead led
grow grew grown
lose lost losing
fall fell fallen
send sent
build built
understand understood
draw drew drawn
break broke broken
spend spent
cut cutting
rise rose risen
drive drove driven
buy bought
wear wore worn
choose chose chosen
eat ate eaten
fly flew flown flies
forget forgot forgotten
hide hid hidden
sell sold
sing sang sung
sleep slept
steal stole stolen
swim swam swum swimming
teach taught
throw threw thrown
wake woke woken
win won winning
shoot shot
fight fought
catch caught
drink drank drunk
ride rode ridden
say said says
put putting
set setting
hit hitting
shut shutting
stop stopped stopping
plan planned planning
die dies died dying
tie ties tied tying
freeze froze frozen
bite bitten
shake shook shaken
swear swore sworn
tear tore torn
sink sank sunk
ring rang rung
seek sought
lend lent
bend bent
stick stuck
strike struck
deal dealt
dream dreamt
burn burnt
learn learnt
spell spelt
spill spilt
leap leapt
feed fed
bleed bled
breed bred
light lit
dig dug
hang hung
lay laid
sue sues sued suing
use uses used using
child children
man men
woman women
person persons
mouse mice
foot feet
tooth teeth
goose geese
ox oxen
leaf leaves
knife knives
wife wives
wolf wolves
shelf shelves
half halves
thief thieves
loaf loaves
calf calves
scarf scarves
life lives
analysis analyses
crisis crises
hypothesis hypotheses
thesis theses
diagnosis diagnoses
basis bases
index indices indexes
matrix matrices
vertex vertices
appendix appendices
criterion criteria
phenomenon phenomena
bacterium bacteria
medium media
curriculum curricula
datum data
data datas
fungus fungi
cactus cacti
nucleus nuclei
virus viruses
bus buses
gas gases
status statuses
process processes
potato potatoes
tomato tomatoes
hero heroes
echo echoes
photo photos
video videos
cookie cookies
movie movies
zombie zombies
calorie calories
pie pies
selfie selfies
cafe cafes
shoe shoes
toe toes
axe axes
quiz quizzes
yes yeses
good goods
large larger largest
big bigger biggest
small smaller smallest
color colour colours coloured colored coloring colouring
favorite favourite favourites favour favor
honor honour
labor labour
behavior behaviour behaviours
neighbor neighbour neighbours
neighborhood neighbourhood
flavor flavour flavours flavoured
humor humour
rumor rumour rumours
harbor harbour
armor armour
odor odour odours
tumor tumour tumours
center centre centres centred centered centering centring
meter metre metres
liter litre litres
fiber fibre fibres
theater theatre theatres
kilometer kilometre kilometres
centimeter centimetre centimetres
millimeter millimetre millimetres
gray grey
license licence licences
practice practise practised practising
defense defence
offense offence
tire tyre tyres
aluminum aluminium
program programme programmes
catalog catalogue catalogues
dialog dialogue dialogues
cancel cancelled canceled cancelling canceling
cancellation cancelation
travel travelled traveled travelling traveling
traveler traveller travellers
label labelled labeled labelling labeling
model modelled modeled modelling modeling
enroll enrol enrolled enrolling enrolment
fulfill fulfil
skillful skilful
jewelry jewellery
pajamas pyjamas
mom mum mums
math maths
airplane aeroplane aeroplanes
mold mould
plow plough
skeptical sceptical
artifact artefact artefacts
cozy cosy
donut doughnut doughnuts
ok okay
email e-mail emails e-mails emailed emailing
wifi wi-fi
signup sign-up signups
login logins
setup set-up setups
backup back-up backups
topup top-up topups
`

/** Words that end like an inflection and are none. */
export const lexical = new Set(
  `morning evening wedding ceiling building marketing housing accounting engineering boxing stocking meaning being during
  string spring king ring thing something nothing anything everything bring sing wing sting swing sling cling fling ping
  red bed need feed seed speed indeed hundred sacred naked wicked breed bleed shed led wed sled creed greed weed reed embed
  news series species always perhaps less unless process access success address business express press class glass grass
  mass pass boss loss cross dress stress bass brass guess chess mess miss kiss bliss abyss bus plus thus virus status focus
  bonus campus census corpus genius radius versus gas yes this his its us is as was has does gps css aws ios sass dns tls
  https cors kubernetes redis postgres pandas keras jenkins travis windows paris texas kansas arkansas illinois james lens
  canvas atlas christmas mathematics physics economics politics statistics ethics athletics gymnastics electronics
  analytics linguistics genetics robotics logistics basis analysis crisis thesis tennis diabetes headquarters means
  alias bias iris chaos kudos cosmos asbestos tuberculosis arthritis synthesis photosynthesis emphasis hypothesis diagnosis
  oasis axis los angeles des netherlands philippines united hundred interest forest request test harvest invest suggest
  outstanding understanding dwelling clothing banking nursing pricing`.split(/\s+/)
)

/** Words in -ise that are not spelled with a z anywhere. */
export const iseWords = new Set(
  `exercise advise surprise promise otherwise rise wise precise enterprise expertise franchise disguise compromise
  merchandise supervise improvise revise devise televise comprise raise praise noise paradise treatise premise concise
  likewise demise excise cruise bruise poise turquoise advertise arise clockwise despise disfranchise incise sunrise
  tortoise porpoise malaise mayonnaise liaise appraise chastise`.split(/\s+/)
)

/** Adverbs in -ly that mean something else than their adjective. */
export const lyWords = new Set(
  `hardly lately nearly shortly highly mostly barely scarcely likely unlikely only family reply apply supply early july
  italy daily weekly monthly yearly hourly costly friendly lovely lonely orderly timely elderly assembly monopoly anomaly
  fairly mainly justly presently directly really actually literally currently simply basically ugly silly holy fly ally
  rally bully belly jelly comply imply multiply homely likely deadly lively worldly bodily heavenly earthly motherly
  fatherly brotherly sisterly manly womanly scholarly quarterly nightly`.split(/\s+/)
)

/** Contractions and slang, each with the words that it stands for. */
export const contractions: ReadonlyMap<string, string> = new Map(
  `what's:what is|whats:what is|who's:who is|whos:who is|where's:where is|wheres:where is|when's:when is|why's:why is
  how's:how is|hows:how is|that's:that is|thats:that is|there's:there is|theres:there is|here's:here is|it's:it is|let's:let us
  he's:he is|she's:she is|i'm:i am|im:i am|i've:i have|ive:i have|i'll:i will|i'd:i would|you're:you are|youre:you are
  you've:you have|you'll:you will|you'd:you would|we're:we are|we've:we have|we'll:we will|we'd:we would|they're:they are
  they've:they have|they'll:they will|they'd:they would|he'll:he will|she'll:she will|he'd:he would|she'd:she would
  it'll:it will|can't:can not|cant:can not|cannot:can not|won't:will not|wont:will not|don't:do not|dont:do not
  doesn't:does not|doesnt:does not|didn't:did not|didnt:did not|isn't:is not|isnt:is not|aren't:are not|arent:are not
  wasn't:was not|wasnt:was not|weren't:were not|werent:were not|hasn't:has not|hasnt:has not|haven't:have not
  havent:have not|hadn't:had not|hadnt:had not|shouldn't:should not|shouldnt:should not|couldn't:could not|couldnt:could not
  wouldn't:would not|wouldnt:would not|mustn't:must not|needn't:need not|ain't:is not|y'all:you|gonna:going to
  wanna:want to|gotta:have to|gimme:give me|lemme:let me|pls:please|plz:please|plse:please|thx:thanks|u:you|ur:your
  r:are|bc:because|cuz:because|w/o:without|w/:with|b/c:because|shan't:shall not|what're:what are|wat:what|dunno:do not know
  how'd:how did|ww1:world war 1|wwi:world war 1|ww2:world war 2|wwii:world war 2|what'd:what did|where'd:where did|who'd:who would|that'll:that will|there'll:there will`
    .split(/[|\n]\s*/)
    .map((entry) => entry.trim().split(":") as [string, string])
)
