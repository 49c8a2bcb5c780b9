/**
 * Words that may stand for one another in a prompt without changing what is asked: groups of lemmas, parted by `|`.
 *
 * A word may be in several groups; two words match when they share one. Groups don't chain. Only words whose swap leaves
 * the answer as it was are listed, so "cheap" stands beside "inexpensive" but "big" not beside "main". A space within an
 * entry is written as an underscore; such entries are made by `Phrases`.
 */

/** Everyday English. */
const everyday = `
buy purchase | begin start commence | end finish conclude | end stop terminate
stop halt cease quit discontinue | help assist aid assistance support | get obtain acquire receive gain | get receive
have own possess | need require want | need necessary required | necessary needed required requirement | keep retain
keep stay remain | let allow permit | allow enable permit | forbid prohibit ban | avoid prevent
show display | see view look_at | find locate | find discover | find lookup search | search query | choose select pick
choose decide | change modify alter | change update edit | change switch | change amend | modify edit | edit revise
update upgrade | update refresh
turn_into convert | replace substitute | fix repair mend | fix resolve solve | fix troubleshoot troubleshooting
solve resolve | correct right accurate | error mistake | wrong incorrect | issue problem trouble
delete remove erase | remove eliminate get_rid_of | clear erase empty | add include
add append | include contain | combine merge mix | join connect | connect link | attach link
separate split divide | cut trim | shorten trim | make create build produce | make create generate
create generate produce | create design | make prepare cook | build construct | write compose draft
write author | draft create | compose create | plan schedule | plan organize | big large
huge enormous immense vast giant | small little tiny | small compact | quick fast rapid speedy
quickly fast rapidly swiftly | slow sluggish | easy simple | easy straightforward | easily simply
easily effortlessly | hard difficult tough | hard challenging | difficulty trouble
important essential crucial vital key | important significant | main primary chief principal major key
common typical | common popular | common frequent | popular famous well_known | famous well_known renowned
normal typical usual regular | usually normally typically generally commonly | often frequently | rare uncommon
rarely seldom | strange odd weird | good great | good nice | best top | best ideal optimal
bad poor | awful terrible horrible | smart intelligent clever | stupid dumb | rich wealthy
poor impoverished | happy glad | sad unhappy | angry mad | afraid scared frightened | tired exhausted fatigued
sick ill | ill unwell | sickness illness | healthy wholesome | beautiful pretty lovely | handsome good_looking
cheap inexpensive affordable low_cost budget | expensive costly pricey | cost price | price rate | fee charge
cost fee charge | free no_cost complimentary | free without_charge | discount deal | offer deal
sale discount | bill invoice | receipt proof_of_purchase | near nearby close | nearest closest | close shut
far distant | away far | around near | next_to beside | inside within | entire whole full | complete full
complete finish | complete total | total overall | all every | each every | everyone everybody | someone somebody
anyone anybody | nobody no_one | many numerous | several various | various different | different distinct
similar like alike | same identical | difference distinction | approximately about roughly around | almost nearly
maybe perhaps possibly | probably likely | certainly definitely surely | immediately instantly
immediately right_away | soon shortly | late delayed | delay postpone | early beforehand | old ancient | old elderly
young youthful | child kid | teen teenager adolescent | baby infant | mom mother mum mommy mama
dad father daddy papa | grandma grandmother granny | grandpa grandfather granddad | wife spouse | husband spouse
person human individual | people humans folk | people person | man guy | guy men | woman lady | girl young_woman
boss manager | worker employee | staff employee personnel | coworker colleague | friend buddy pal | job work position
job occupation profession career | work job | work function operate | work do | salary pay wage | doctor physician
lawyer attorney | teacher instructor | student pupil | beginner newbie novice newcomer | beginner introductory
expert professional specialist | customer client | user customer | owner proprietor | author writer
reporter journalist | movie film | movies cinema | show series | tv television | picture image photo photograph
photo photograph | image photo | song track | song tune | music tune | book reserve | reservation booking
article post | post thread | thread discussion | talk speak chat | talk conversation | conversation dialogue
discuss talk | speak talk | say tell | tell inform notify | ask inquire | answer reply respond | answer response reply
explain describe clarify | explain elaborate | mean signify | describe characterize | suggest recommend advise
suggestion recommendation advice | advice tip guidance | tip hint | tip trick | tip way | tip suggestion | way method
way approach | way manner | method technique approach | method procedure | technique strategy | guide tutorial
guide manual | manual handbook | step stage | instruction direction | idea concept | idea suggestion
example instance sample | example illustration | summary overview | summary synopsis | summarize outline
outline overview | list enumerate | report document | document file | documentation docs
folder directory | letter note | paper article | essay composition | topic subject | text wording
sentence phrase | word term | meaning definition | definition define | synonym similar_word | reason cause
cause lead_to | cause trigger | effect consequence result | effect impact influence | impact affect | result outcome
benefit advantage | advantage pro | disadvantage drawback downside con | risk danger hazard | health_risk side_effect
danger dangerous | safe secure | safely securely | safety security | protect secure safeguard
goal aim objective target | purpose goal | use utilize employ | use usage | use apply | try attempt | test check
check verify confirm | check inspect examine | verify confirm validate | ensure make_sure guarantee
improve enhance boost | improve better | increase raise boost | grow increase
reduce decrease lower | reduce cut | reduce minimize | maximum max | minimum min | gain put_on
happen occur | occur take_place | seem appear | go travel
travel trip | trip journey | trip vacation | vacation holiday | visit go_to | itinerary travel_plan | itinerary trip
leave depart | arrive come | come get_here | arrival come | return send_back | send ship | send mail
bring take | carry transport | ship deliver | shipping delivery | shipment delivery package | package parcel
deliver ship | reach get_to | reach contact | contact get_in_touch | call phone | phone telephone
cellphone mobile mobile_phone smartphone phone | meet encounter | meeting appointment | live reside
house home | apartment flat | room chamber | couch sofa | fridge refrigerator | faucet tap
leak drip | garbage trash rubbish | elevator lift | sidewalk pavement | cookie biscuit | candy sweets | fries chips
soccer football | car automobile auto vehicle | truck lorry | bike bicycle | bike cycling | airplane plane aircraft
subway metro underground | ship boat | street road | town city | city town | country nation | area region | area zone
place location | place spot | world globe | earth world | nature environment | forest woods
sea ocean | stone rock | plant vegetation | animal creature | meat flesh
food meal | dish meal | eat consume | eat have | drink consume | drink beverage | consumption consume
excessive too_much | dinner supper | lunch luncheon | store shop | shop store | store save | store keep
save preserve | save spend_less | cafe coffee_shop | gas_station petrol_station | gasoline petrol | atm cash_machine
pharmacy drugstore | drug medication medicine | medication medicine | pill tablet | disease illness
treatment therapy | treat cure | cure remedy | symptom sign | pain ache | exercise workout | exercise work_out
gym fitness_center | weight_loss lose_weight | slim lose_weight | sleep rest | wake awaken | think believe
think opinion | opinion view | understand comprehend | understand grasp | learn study | know aware
remember recall | forget fail_to_remember | imagine envision | like enjoy | hate dislike | want desire | want wish
hope wish | win victory | winner champion | win champion | lose defeat | beat defeat | fight battle | war conflict
attack assault | kill murder | die pass_away | death die | dead deceased | born birth | marry wed | wedding marriage
divorce split_up | gift present | party celebration | celebrate commemorate | game match | play perform | team squad
coach trainer | race competition | contest competition | prize award | rule regulation | rule guideline
law legislation | legal lawful | illegal unlawful | crime offense | government administration | leader head
president head_of_state | company business | company firm corporation | company organization | business enterprise
business firm | startup new_business | office workplace | market marketplace | product item | item thing | thing item
stuff thing | tool utility | tool instrument | device gadget | machine device | equipment gear | computer pc
laptop notebook | screen display | screen monitor | keyboard keypad | internet web | web online
online on_the_internet | website site webpage | website web_page | page webpage | app application | application app
program software | software application | software program | piece part | part component | part section | part portion
element component | kind type sort | group set | set collection | collection set
amount quantity | amount sum | size dimension | length duration | percent percentage
half fifty_percent | top highest | peak top | high tall | bottom lowest | upper top | beginning start | ending end
final last | latest newest recent | latest most_recent | newest most_recent | new recent | current present
modern contemporary | future upcoming | history past | century hundred_years | annual yearly | yearly annually
daily everyday | daily every_day | weekly every_week | monthly every_month | each_year yearly | nightly every_night
permanent lasting | temporary short_term | maintain keep | motivated motivation | motivate inspire
inspire motivation | stress anxiety | stress pressure | calm relax | calm calm_down | relax unwind | overcome manage
overcome beat | cope handle | cope manage | cope deal_with | handle manage | handle deal_with | manage deal_with
adapt adjust | adjust adapt | tune adjust | focus concentrate | concentration focus
productive efficient | productivity efficiency | efficient effective | effective efficient | effectively efficiently
effective successful | successful succeed | success succeed | succeed excel | fail failure | achieve accomplish attain
achieve reach | accomplish complete | possible feasible | able capable | ready prepared
prepare get_ready | available accessible | access reach | access get_into | enter get_into | entrance entry
enter input | enter type | open launch | publish post
give provide | provide supply | provide offer | give offer | supply provide
donate give | accept take | take accept | refuse reject decline | reject deny | decline refuse
declined rejected refused | approve accept | request ask_for | demand request | apply_for request
order buy | order purchase | order place_order | sequence order | sort order | arrange organize | arrange order
organize arrange | clean wash | dirty unclean | wet damp | dry arid | hot warm | cold chilly | weather climate
rain rainy | rain rainfall | rainy wet | snow snowy | sun sunny | wind windy | cloud cloudy | storm stormy | color hue
bright vivid | dark dim | loud noisy | quiet silent | silence quiet | smell odor scent | taste flavor | touch feel
weigh weight | tall high
wide broad | broad wide | thick thickness | strong powerful
weak feeble | warm heat | heat warm | fun enjoyable | funny humorous | joke pun | interesting fascinating
boring dull | scary frightening | horror scary | cute adorable | fancy luxurious | luxury luxurious | fake counterfeit
genuine authentic real | true real | truth true | false untrue | false incorrect | obvious clear | clearly plainly
exact precise | exactly precisely | detail particular | detailed thorough in_depth comprehensive | brief short concise
short brief | long lengthy | briefly concisely | formal professional | polite courteous | rude impolite | kind nice
generous charitable | honest truthful | brave courageous | crazy insane | lazy idle | busy occupied | alone by_myself
single unmarried | lonely alone | crowd crowded | excessive too_many | extra additional | additional more
more additional | another additional | spare extra | remaining left | enough sufficient
lack shortage | shortage lack | missing lost | lost misplaced | lose misplace | stolen theft | steal theft
theft stolen | hack compromise | search look_for | look_for seek | seek look_for | look_for find | hunt look_for
watch view | binge watch | listen hear | read go_through | teach instruct | train teach
train practice | practice rehearse | school academy | college university | class course | course class
exam test | homework assignment | degree diploma | skill ability | talent ability
knowledge understanding | fact truth | information info | information detail | info detail | data information
news headline | headline news | announcement notice | announce declare | advertise promote | advertising advertisement
ad advertisement | promotion offer | review evaluate | rate evaluate | rating score | score point
compare contrast | versus vs | measure gauge | calculate compute | calculate work_out | calculate figure_out
figure_out determine | determine identify | identify recognize | count tally | estimate approximate | guess estimate
prove demonstrate | demonstrate show | show illustrate | proof evidence
not never | no without | according_to think believe consider | best top good great recommended popular | work workplace
while during | broken faulty | insufficient inadequate | winner champion
corp corporation | inc incorporated | ltd limited | dept department | intro introduction | govt government | temp temperature
approx approximately about | spec specification | num number | pic picture photo | vid video | tech technology | ref reference
diff difference | calc calculate calculator | exam examination | vocab vocabulary | veggie vegetable | fave favorite
procrastinate procrastination | rain rainy | expire expiry | mature maturity | locate location
thread discussion | convert converter conversion | calculate calculator | translate translator | generate generator
cheapest least_expensive most_affordable lowest_priced lowest_price | fastest quickest | easiest simplest | tallest highest
newest latest most_recent | biggest largest | invent inventor | direct director | create creator | compose composer
win winner | sing singer | design designer | develop developer | discover discoverer | paint painter | build builder
lead leader | produce producer | manage manager | publish publisher | own owner | founder establish | founder found
born birth birthday birthdate | summarize summary | write create generate draft compose craft produce | cook cooking
beginner beginners newbie starter | automobile car | kid child children | assist help | residence home | employ hire
recruit hire | raise increase | sum total | nap sleep | odor smell | attempt try | bunch group | gym workout_place
toddler young_child | preschooler young_child | older_adult senior elderly | senior elderly | teen teenager
headache head_pain | stomachache stomach_ache | checkup check_up | physician doctor | dentist dental | vet veterinarian
sneaker trainer running_shoe | pants trousers | sweater jumper | purse handbag | apartment flat condo | backyard garden yard
grocery groceries food_shopping | soda soft_drink | dessert sweet | appetizer starter | recipe dish | slow_cooker crockpot
fridge refrigerator icebox | stove cooker hob | vacuum hoover | diaper nappy | flashlight torch | vacation break
airport_transfer airport_shuttle | layover stopover | itinerary schedule | destination place_to_visit | sight attraction
budget cheap low_cost | luxury high_end upscale | kid_friendly family_friendly | family household | quick fast easy_and_quick
homemade home_made | diy homemade | wood wooden | wool woolen | gold golden | noise sound | garbage waste | pollution contamination
global worldwide | climate_change global_warming | renewable_energy clean_energy green_energy | solar_panel pv_panel
election vote | politician lawmaker | senator congressman | war armed_conflict | tax levy | inflation rising_prices
stock share | stock_market share_market | invest put_money | investment investing invest | retirement pension | retire retirement
mortgage house_loan | credit_rating credit_score | resume cv curriculum_vitae | cover_letter application_letter | boss supervisor
interview job_interview | resign quit | fire dismiss | layoff redundancy | remote_work work_from_home telework telecommute
startup new_company | entrepreneur founder | marketing promotion | seo search_engine_optimization | podcast audio_show
meditate meditation mindfulness | depression depressed | anxiety anxious | insomnia sleeplessness | diet eating_plan
weight_loss losing_weight | muscle muscular | stretch stretching | run running jogging jog | swim swimming | yoga yoga_practice
pregnancy pregnant | newborn newborn_baby | parenting raise_child | discipline punish | argue argument quarrel | apologize apology
motivate motivation motivational | confidence confident confidently | shy shyness | habit routine | procrastinate put_off
organize organization declutter tidy | clean cleaning tidy | decorate decoration decor | renovate renovation remodel
lawn grass | gardening garden | houseplant indoor_plant | dog_training train_dog | pet_food animal_food
convert turn transform turn_into | france french | germany german | spain spanish | italy italian | japan japanese
china chinese | russia russian | portugal portuguese | brazil brazilian | mexico mexican | canada canadian | india indian
australia australian | greece greek | turkey turkish | sweden swedish | norway norwegian | denmark danish | finland finnish
poland polish | netherlands dutch | switzerland swiss | austria austrian | belgium belgian | ireland irish | scotland scottish
korea korean | vietnam vietnamese | thailand thai | egypt egyptian | israel israeli | iran iranian | america american usa
europe european | asia asian | africa african | uk british
`

/** Software, data and the web. */

const technical = `
bug error defect | error failure | crash fail | crash freeze | freeze hang | debug troubleshoot
code program | code script | coding programming | developer programmer | developer coder | development programming
variable parameter | argument parameter | dictionary dict
dictionary hashmap | string str | integer int | boolean bool | regex regexp regular_expression | character char
iterate loop | loop_through iterate | db database | field attribute | key identifier | id identifier
identification id | config configuration | configure set_up setup | configure configuration | setup install
set_up setup | setup set_up_process | set_up install | setting configuration | setting preference
option choice | environment env | env_var environment_variable | repo repository | directory folder dir
path location | command instruction | command cmd | run execute | execute invoke | call invoke
invoke execute | install set_up
installation install | uninstall remove | download get | download fetch | fetch retrieve | retrieve get | get fetch
upload submit | backup back_up | restore recover | undo revert | rollback revert
duplicate copy | paste insert
concat concatenate
sort order | sorted ordered | reverse invert | reverse flip | check validate | check test | check if
monitoring monitor | log record | logging log | cache caching | performance speed | optimize speed_up
optimize improve | optimization optimize | speed_up accelerate | slow slow_down | latency delay | memory ram
disk drive | processor cpu | cpu central_processing_unit | gpu graphics_card
wireless wifi | wifi wi_fi | router modem | authentication auth | authenticate auth
auth authentication | authorization authz | login log_in sign_in | log_in sign_in | logout log_out sign_out
sign_up register | sign_up create_account | signup sign_up | register enroll | registration signup | password passcode
password pw | credential login | account profile | username user_name
user_id username | admin administrator | notification alert | alert warn | warning alert | message msg | email mail
email e_mail | mail post | email_address email | inbox mailbox | attachment file | link url | url web_address
hyperlink link | browser web_browser | button btn | menu dropdown | icon symbol | shortcut hotkey
shortcut key_combination | ui user_interface | ux user_experience | interface ui
api application_programming_interface
plugin extension | plugin add_on | dependency package | version release | version edition
version variant | feature functionality | feature capability | functionality function | support compatible
compatible compatibility | encrypt encryption | encrypted encryption | encryption encrypt | decrypt decryption
ssl tls | vm virtual_machine | container docker_container | cluster clustering
shard sharding | partition partitioning | replicate replication | replica copy | asynchronous async | synchronous sync
sync synchronize | concurrent parallel | multithreading multithreaded | thread threading | random randomly
ai artificial_intelligence | ml machine_learning | llm large_language_model | nlp natural_language_processing
rag retrieval_augmented_generation | neural_net neural_network | js javascript | ts typescript | py python | golang go
csharp c# | cpp c++ | postgres postgresql | k8s kubernetes | mongo mongodb | vscode vs_code | react reactjs
react react.js | node nodejs | node node.js | vue vuejs | vue vue.js | next.js nextjs | mac macos | mac macbook
mac osx | win windows | doc document | docx word | excel spreadsheet | spreadsheet sheet | ppt powerpoint
slide presentation | presentation deck | json json_object | yaml yml | md markdown | csv comma_separated_values
pdf pdf_file | 2fa two_factor mfa two_factor_authentication | faq frequently_asked_questions
ceo chief_executive_officer | cto chief_technology_officer | cfo chief_financial_officer | hr human_resources
vpn virtual_private_network | sql structured_query_language | css cascading_style_sheets | os operating_system
ide integrated_development_environment | gdp gross_domestic_product | roi return_on_investment
kpi key_performance_indicator | seo search_engine_optimization | crm customer_relationship_management
uk united_kingdom great_britain britain | usa united_states united_states_of_america america | eu european_union
un united_nations | uae united_arab_emirates | nyc new_york_city | la los_angeles | sf san_francisco
dc washington_dc | diy do_it_yourself
asap as_soon_as_possible | bbq barbecue | tv_show tv_series | sci_fi science_fiction | bio biography | lab laboratory
math mathematics maths | stats statistics | gym gymnasium | fridge refrigerator | bot chatbot | chatbot chat_bot
apple aapl | tesla tsla | microsoft msft | google googl | amazon amzn
`

/** Customer service, banking and travel. */
const service = `
refund money_back | refund reimbursement | reimburse refund | tv_show series | tv_series series | book novel | reimburse repay | cancel terminate | cancel end | merge combine
cancel call_off | subscription membership | plan subscription | renew extend | renewal renew
renew renewing | account membership | balance amount_available | withdraw take_out | withdrawal withdraw
cash_withdrawal withdraw_cash | deposit pay_in | top_up topup | topup add_money | topping_up topup
reload topup | money funds | money cash | fund money
payment transaction | payment pay | charge bill | charged billed
declined denied | decline reject | failed unsuccessful | pending processing | process handle
go_through process | clear settle | exchange_rate conversion_rate | conversion_rate rate | currency money
foreign international | foreign overseas | abroad overseas | abroad foreign_country | international worldwide
internationally abroad | internationally worldwide | domestic national | card bank_card | credit_card creditcard
debit_card debitcard | pin pin_number | pin pincode | cvv security_code | limit cap | limit maximum
limit restriction | maximum most | statement account_statement | interest_rate apr | apr annual_percentage_rate
loan credit | mortgage home_loan | insurance coverage | insure cover | cover insure | covered insured | tax taxation
taxes tax | claim file | benefit perk | identity identification | identity_verification verify_identity
verification verify | prove verify | proof verification | document paperwork | form application | eligible qualify
qualify eligible | fraud scam | fraudulent scam | suspicious unauthorized | unrecognized unknown
unknown unfamiliar | dispute contest | complaint complain | complain complaint | agent representative
representative rep | human person | support customer_service | customer_service customer_support
helpline customer_service | feedback comment | track trace | tracking track | arrive deliver | arrive receive
receive come | replace replacement | expire expiration | expiry expiration | expired out_of_date
activate enable | activate turn_on | activation activate | enable turn_on | turn_on switch_on | turn_off switch_off
disable turn_off | disable deactivate | deactivate turn_off | block freeze | freeze lock | unfreeze unlock
unblock unfreeze | lock freeze | damaged broken
working work | function work | flight plane_ticket | flight fly | fly flight | ticket pass
fare price | luggage baggage | baggage bag | suitcase luggage | passport travel_document | hotel hotel_room
hotel accommodation | lodging accommodation | accommodation place_to_stay | restaurant place_to_eat
reservation reserve | book booking | reserve reservation | table reservation | rent hire | rental rent | rental hire
rent rental | taxi cab | driver chauffeur | traffic congestion
attraction sight | sightseeing attraction | beach seaside | hiking hike | hike hiking | trail hike | trail path
hike walk | hike hiking_trail | trail hiking_trail | recipe how_to_make | ingredient component | calorie calories
nutrition nutritional | vegan plant_based | gluten_free no_gluten | gluten_free without_gluten
substitute replacement | substitute alternative | alternative option | alternative substitute | replacement substitute
remind reminder | reminder alert | alarm alert | calendar schedule | schedule timetable | event occasion
appointment booking | volume sound | play listen | language tongue | translate translation | translation translate
pronounce say | pronunciation pronounce | spell spelling | spelling spell | grammar grammatical | rewrite rephrase
rephrase reword | rephrase paraphrase | proofread check_grammar | shorten condense | expand elaborate
conversion convert
`

/** Health, work, money, study, travel, leisure and home. */
const topics = `
soothe relieve ease alleviate | collapse fall | responsibility duty | consequence outcome | salary earnings income
unclog unblock clear | nighttime night | adulthood adult | childhood child | say_sorry apologize | get_over overcome
get_over move_on | overcome deal_with | overcome cope | overcome conquer | earn_money make_money | earn make_money
gain_muscle build_muscle | gain_weight put_on_weight | disconnect drop | homemade from_scratch | recipe make | recipe cook
recipe bake | recipe idea | screenshot screen_capture | pair_with go_with | intake consumption | raise salary_increase
maintain preserve | preserve keep | maintain sustain | protect guard | newborn infant | advice guidance | famous iconic
painting artwork | masterpiece painting | scary spooky | spooky horror | workout exercise_routine | routine regimen
tasty delicious yummy | delicious flavorful | snack nibble | nervous anxious | nervousness anxiety | worry anxiety
worried anxious | stressed stress | self_esteem self_confidence | confidence self_confidence | improve strengthen
develop build | strengthen build | strengthen develop | sharpen improve | communicate communication | negotiate negotiation
speech talk | public_speaking speak_in_public | bargain negotiate | hire recruit | career_change switch_career change_career
burnout exhaustion | productivity productive | time_management manage_time | distraction distracted | focus attention
stay_focused concentrate | bored boredom | lonely loneliness | sad sadness | jealous jealousy | angry anger
anger_management manage_anger control_anger | tired tiredness | tiredness fatigue | fatigue exhaustion | fatigued tiredness
sleepy drowsy | flu influenza | cold common_cold | fever high_temperature | high_blood_pressure hypertension
heart_attack myocardial_infarction | stomach belly tummy | belly_fat stomach_fat | skin_care skincare | hair_loss lose_hair
dandruff flaky_scalp | allergic allergy | vaccination vaccine | vaccinate vaccine | injure injury | hurt painful
ache painful | bleed bleeding | swelling swollen | itch itchy | rash skin_rash | bloat bloating | nauseous nausea
dizzy dizziness | vision eyesight | pay_off repay | spending expense | income earnings
retirement_savings save_for_retirement | money_saving save_money | saving_money save_money | side_hustle side_job
side_hustle side_business | part_time_job side_job | trade trading | crypto cryptocurrency | bitcoin btc | ethereum eth
tuition school_fees | lesson class | tutor teacher | essay_writing write_essay | memorize remember | memorize learn_by_heart
note_taking take_notes | high_schooler high_school_student | undergraduate undergrad | graduate grad | kindergarten preschool
childcare daycare | must_see must_visit | attraction landmark | landmark sight | tourist traveler | traveler traveller
solo alone | solo_travel travel_alone | road_trip driving_trip | jet_lag jetlag | carry_on hand_luggage
currency_exchange exchange_currency exchange_money | tv_series show | thriller suspense | animated animation
cartoon animation | comedy comedic | romance romantic | documentary docuseries | actor performer | soundtrack film_score
band musical_group | lyric song_text | concert gig | singer vocalist | cardio aerobic | abs abdominal | flexible flexibility
endurance stamina | strength_training resistance_training | knit knitting | draw drawing | sketch drawing | craft handicraft
garden gardening | compost composting | mosquito mosquitos | declutter tidy_up | tidy_up clean | unclutter declutter
furniture furnishing | small_space tiny_space | interior_design home_decor | electricity power
electricity_bill power_bill energy_bill | solar_power solar_energy | eco_friendly sustainable
eco_friendly environmentally_friendly | recycle recycling | plastic_waste plastic_garbage | carbon_footprint carbon_emission
extinct extinction | evolve evolution | gravity gravitational | ww2 world_war_ii wwii | ww1 world_war_i wwi
roman_empire ancient_rome | type_hint type_annotation | unit_test unit_testing | refactor clean_up | deploy deployment
migrate migration | migrate move | parse parsing | lint linting | profile profiling | mitigate reduce | mitigation prevention
rate_limit rate_limiting throttle throttling | throttle limit | retry retrying | timeout time_out | tuning optimization
tune optimize | benchmark performance_test | debug debugging | stack_trace stacktrace traceback | segfault segmentation_fault
null_pointer nullpointer | cronjob cron_job scheduled_job | env_file dotenv | certificate cert | cert certificate | usage use
hot_reload live_reload | dark_mode dark_theme night_mode | dark_theme night_mode | light_mode light_theme
autocomplete auto_complete autocompletion code_completion | syntax_highlighting syntax_highlight | popup pop_up
tooltip hover_text | navbar navigation_bar | sidebar side_panel | checkbox check_box | textbox text_box
image_compression compress_image | resize scale | thumbnail preview_image | responsive mobile_friendly | seo seo_optimization
backlink inbound_link | overcome stop | raise pay_raise | relieve reduce | transfer move | career profession | weekly week | visit travel | fly air_travel | fall autumn | relief relieve | health_risk risk danger | faster quickly | exit quit | beneficial good | under below | side_effect adverse_effect | indoors inside | outdoors outside | indoor inside
low_budget cheap affordable inexpensive budget | nutritious healthy | babysitter sitter | spicy hot | veggie vegetarian
`

/** Every group as a text of lemmas parted by spaces. */
export const synonymGroups: ReadonlyArray<string> = [everyday, technical, service, topics].flatMap((list) =>
  list.trim().split(/\s*[|\n]\s*/)
)
